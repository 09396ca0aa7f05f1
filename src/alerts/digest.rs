//! The daily digest: when it is due, and its text.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;

use super::receiver::utc_of;
use crate::domain::action::ActionKind;
use crate::domain::alert::Occasion;
use crate::domain::digest::DaySummary;
use crate::domain::ids::CampaignId;
use crate::domain::money::{Clicks, Money};
use crate::domain::occasion::{Finding, OccasionKey, OccasionKind, Severity};
use crate::domain::text::cut;
use crate::printable::printable;

/// The most campaigns that one line of the digest names, and the most alerts.
const NAMED: usize = 10;

/// The last digest that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DueDigest {
    /// The local date on which it is sent.
    pub date: NaiveDate,
    /// The moment (UTC) when it became due.
    pub since: DateTime<Utc>,
    /// The UTC day that it is about: the last whole one.
    pub day: NaiveDate,
}

/// Returns the last digest that is due at `now`, if digests are sent at this local time.
#[must_use]
pub fn due(now: DateTime<Utc>, at: NaiveTime, zone: Tz) -> Option<DueDigest> {
    let local = now.with_timezone(&zone).naive_local();
    let date = if local.time() >= at { local.date() } else { local.date().checked_sub_days(Days::new(1))? };
    let since = utc_of(date.and_time(at), zone);
    Some(DueDigest { date, since, day: since.date_naive().checked_sub_days(Days::new(1))? })
}

/// Returns the digest. `open` are the occasions that are still the case.
#[must_use]
pub fn finding(due: &DueDigest, summary: &DaySummary, open: &[Occasion]) -> Finding {
    let key = OccasionKey::with(OccasionKind::Digest, due.date.to_string());
    let text = text(summary, open);
    Finding { key, severity: Severity::Info, since: due.since, text, lasts: false }
}

fn text(summary: &DaySummary, open: &[Occasion]) -> String {
    let day = summary.day;
    let stopped_for = summary.stopped_by_others();
    let nothing_done = summary.actions.is_empty() && stopped_for.is_empty();
    let is_empty = summary.spend() == Money::ZERO && nothing_done && summary.without_spend == 0;
    let mut lines = if is_empty {
        vec![format!("{day} (UTC): nothing was spent, and nothing was done.")]
    } else {
        vec![
            format!("{day} (UTC): {} was spent.", summary.spend()),
            unknown_spends(summary),
            spends(summary),
            actions(summary),
            stopped(summary, stopped_for),
        ]
    };
    lines.push(needs_a_hand(open));
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

fn spends(summary: &DaySummary) -> String {
    let mut spends: Vec<_> = summary.spends.iter().filter(|(_, spend)| *spend != Money::ZERO).collect();
    spends.sort_by_key(|(id, spend)| (std::cmp::Reverse(*spend), *id));
    let each = spends.iter().map(|(id, spend)| format!("{} {spend}", name(summary, *id)));
    listed("Spend: ", each.collect())
}

fn actions(summary: &DaySummary) -> String {
    let kinds = [
        (ActionKind::Activate, "activation"),
        (ActionKind::Pause, "pause"),
        (ActionKind::TopUp, "top-up"),
        (ActionKind::DailyBudget, "budget set back"),
    ];
    let counted = kinds.iter().map(|(kind, noun)| (summary.confirmed(*kind), *noun));
    let counted = counted.filter(|(count, _)| *count > 0).map(|(count, noun)| {
        let noun = match (count, noun) {
            (1, noun) => noun.to_owned(),
            (_, "budget set back") => "budgets set back".to_owned(),
            (_, noun) => format!("{noun}s"),
        };
        format!("{} {noun}", Clicks(count as u64))
    });
    let failed = summary.failed();
    let failed = (failed > 0).then(|| format!("{} failed", Clicks(failed as u64)));
    let each: Vec<String> = counted.chain(failed).collect();
    if each.is_empty() { "Actions: none.".to_owned() } else { format!("Actions: {}.", each.join(", ")) }
}

fn unknown_spends(summary: &DaySummary) -> String {
    match summary.without_spend {
        0 => String::new(),
        1 => "Of 1 guarded campaign no spend is known.".to_owned(),
        count => format!("Of {} guarded campaigns no spend is known.", Clicks(count)),
    }
}

fn stopped(summary: &DaySummary, stopped: BTreeMap<CampaignId, TimeDelta>) -> String {
    let total: TimeDelta = stopped.values().sum();
    if stopped.is_empty() {
        return "No campaign that was promised to run was stopped by others.".to_owned();
    }
    let mut each: Vec<_> = stopped.into_iter().collect();
    each.sort_by_key(|(id, time)| (std::cmp::Reverse(*time), *id));
    let each = each.iter().map(|(id, time)| format!("{} {}", name(summary, *id), minutes(*time)));
    listed(&format!("Stopped by others: {}: ", minutes(total)), each.collect())
}

fn needs_a_hand(open: &[Occasion]) -> String {
    let needs = |occasion: &&Occasion| occasion.severity >= Severity::Warning && occasion.acked.is_none();
    let mut urgent: Vec<&Occasion> = open.iter().filter(needs).collect();
    urgent.sort_by_key(|occasion| (std::cmp::Reverse(occasion.severity), occasion.since));
    if urgent.is_empty() {
        return "Nothing needs a hand now.".to_owned();
    }
    let each = urgent.iter().take(NAMED).map(|occasion| {
        let about = occasion.campaign.as_ref();
        let about = about.map(|campaign| format!("{} (campaign {}): ", shown(&campaign.name), campaign.id));
        format!("- [{}] {}{}", occasion.severity, about.unwrap_or_default(), printable(&occasion.text))
    });
    let rest = urgent.len().saturating_sub(NAMED);
    let rest = (rest > 0).then(|| format!("and {} more: see `traffic-generator alert list`", Clicks(rest as u64)));
    let heading = "Needs a hand now:".to_owned();
    [heading].into_iter().chain(each).chain(rest).collect::<Vec<_>>().join("\n")
}

/// Returns the first of many parts, and how many are left out.
fn listed(before: &str, parts: Vec<String>) -> String {
    if parts.is_empty() {
        return String::new();
    }
    let rest = parts.len().saturating_sub(NAMED);
    let rest = if rest > 0 { format!(", and {} more", Clicks(rest as u64)) } else { String::new() };
    let named = parts.into_iter().take(NAMED).collect::<Vec<_>>().join(", ");
    format!("{before}{named}{rest}.")
}

/// Returns a time in whole minutes, rounded up: a stop of a few seconds is one.
fn minutes(time: TimeDelta) -> String {
    let minutes = (time.num_seconds().max(0) + 59) / 60;
    format!("{} min", Clicks(u64::try_from(minutes).unwrap_or_default()))
}

fn name(summary: &DaySummary, id: CampaignId) -> String {
    summary.names.get(&id).map_or_else(|| format!("campaign {id}"), |name| shown(name))
}

/// Returns a name that trackers wrote, safe to show in one line.
fn shown(name: &str) -> String {
    cut(&printable(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::action::{Step, Trigger};
    use crate::domain::digest::DayAction;
    use crate::domain::ids::RemoteId;
    use crate::domain::occasion::OccasionCampaign;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_digest_is_due_at_its_local_time_and_is_about_the_last_whole_utc_day() {
        let eight = NaiveTime::from_hms_opt(8, 0, 0).unwrap();
        let berlin = chrono_tz::Europe::Berlin;
        for (now, date, since, day) in [
            ("2026-11-22T06:59:59Z", "2026-11-21", "2026-11-21T07:00:00Z", "2026-11-20"),
            ("2026-11-22T07:00:00Z", "2026-11-22", "2026-11-22T07:00:00Z", "2026-11-21"),
            // An hour earlier by UTC in summer.
            ("2026-07-22T06:00:00Z", "2026-07-22", "2026-07-22T06:00:00Z", "2026-07-21"),
        ] {
            let expected = DueDigest { date: date.parse().unwrap(), since: at(since), day: day.parse().unwrap() };
            assert_eq!(due(at(now), eight, berlin), Some(expected), "{now}");
        }
        let half_past_midnight = NaiveTime::from_hms_opt(0, 30, 0).unwrap();
        let early = due(at("2026-11-21T23:40:00Z"), half_past_midnight, berlin).unwrap();
        assert_eq!(early.day.to_string(), "2026-11-20", "2026-11-21 is not over by UTC");
    }

    fn action(campaign: i64, kind: ActionKind, trigger: Trigger, from: &str, to: Option<&str>) -> DayAction {
        let time = |clock: &str| at(&format!("2026-11-21T{clock}Z"));
        DayAction {
            campaign: CampaignId(campaign),
            kind,
            trigger,
            step: if to.is_some() { Step::Confirmed } else { Step::Failed },
            requested_at: time(from),
            confirmed_at: to.map(time),
        }
    }

    fn summary() -> DaySummary {
        let names = [(1, "Autumn"), (2, "Win\nter")].map(|(id, name)| (CampaignId(id), name.to_owned()));
        DaySummary {
            day: "2026-11-21".parse().unwrap(),
            names: BTreeMap::from(names),
            spends: [(1, "9.50"), (2, "10.10"), (3, "0.00")]
                .map(|(id, spend)| (CampaignId(id), spend.parse().unwrap()))
                .into(),
            without_spend: 0,
            earlier: Vec::new(),
            actions: vec![
                action(1, ActionKind::Activate, Trigger::Tick, "09:00:00", Some("09:00:02")),
                action(1, ActionKind::Activate, Trigger::Guard, "10:00:00", None),
                action(1, ActionKind::Activate, Trigger::Recovery, "10:01:00", Some("10:03:30")),
                action(2, ActionKind::Activate, Trigger::Guard, "11:00:00", None),
                action(2, ActionKind::Pause, Trigger::Tick, "11:10:00", Some("11:10:02")),
            ],
        }
    }

    #[test]
    fn the_digest_says_what_was_spent_done_and_stopped_and_what_needs_a_hand() {
        let occasion = Occasion {
            id: None,
            campaign: Some(OccasionCampaign {
                id: CampaignId(2),
                name: "Win\nter".to_owned(),
                trafficstar_id: RemoteId(7),
            }),
            key: OccasionKey::of(OccasionKind::Blocked),
            severity: Severity::Warning,
            text: "TrafficStars will not run it: archived".to_owned(),
            lasts: true,
            since: at("2026-11-21T12:00:00Z"),
            resolved_at: None,
            acked: None,
        };
        let info = Occasion { severity: Severity::Info, ..occasion.clone() };
        assert_eq!(
            text(&summary(), &[info, occasion]),
            "2026-11-21 (UTC): 19.60 was spent.\n\
             Spend: Win\u{fffd}ter 10.10, Autumn 9.50.\n\
             Actions: 2 activations, 1 pause, 2 failed.\n\
             Stopped by others: 14 min: Win\u{fffd}ter 10 min, Autumn 4 min.\n\
             Needs a hand now:\n\
             - [warning] Win\u{fffd}ter (campaign 2): TrafficStars will not run it: archived"
        );
    }

    #[test]
    fn an_empty_day_says_so() {
        let empty = DaySummary { spends: Vec::new(), actions: Vec::new(), ..summary() };
        let said = "2026-11-21 (UTC): nothing was spent, and nothing was done.\nNothing needs a hand now.";
        assert_eq!(text(&empty, &[]), said);
        let unknown = DaySummary { without_spend: 1_200, ..empty };
        assert_eq!(
            text(&unknown, &[]),
            "2026-11-21 (UTC): 0.00 was spent.\n\
             Of 1,200 guarded campaigns no spend is known.\n\
             Actions: none.\n\
             No campaign that was promised to run was stopped by others.\n\
             Nothing needs a hand now."
        );
    }

    #[test]
    fn a_campaign_that_stays_stopped_counts_until_midnight_and_from_midnight_on() {
        let before = |action: DayAction| DayAction {
            requested_at: action.requested_at - TimeDelta::days(1),
            confirmed_at: action.confirmed_at.map(|at| at - TimeDelta::days(1)),
            ..action
        };
        let seen = |time| action(1, ActionKind::Activate, Trigger::Guard, time, None);
        let runs = |time, at| action(1, ActionKind::Activate, Trigger::Recovery, time, Some(at));
        let table = [
            ("to the end of the day", vec![], vec![seen("10:00:00")], 840),
            ("from its beginning", vec![before(seen("23:00:00"))], vec![runs("01:59:00", "02:00:00")], 120),
            ("the whole day", vec![before(seen("23:00:00"))], vec![], 1_440),
            ("the day before alone", vec![before(seen("22:00:00")), before(runs("22:59:00", "23:00:00"))], vec![], 0),
        ];
        for (name, earlier, actions, expected) in table {
            let stopped = DaySummary { earlier, actions, ..summary() }.stopped_by_others();
            assert_eq!(stopped.get(&CampaignId(1)).map_or(0, TimeDelta::num_minutes), expected, "{name}");
        }
    }
}
