//! The occasions of a campaign: RULES.md, "Alerts". For each kind, when it begins, when it ends, and when it does not.

use super::*;
use crate::domain::campaign_occasions::CampaignOccasions;
use crate::domain::explain::ActionProgress;
use crate::domain::money::Percent;
use crate::domain::occasion::{Finding, KnownOccasion, OccasionChange, OccasionKey, OccasionKind, Severity};
use crate::domain::policy::{HighSpend, Mode};
use crate::domain::status::Hold;

/// A machine, and the occasions that are stored.
struct Watched {
    rig: Rig,
    occasions: CampaignOccasions,
    stored: Vec<KnownOccasion>,
}

impl Watched {
    fn new(rig: Rig) -> Self {
        let occasions = CampaignOccasions::new(rig.now, Vec::new());
        Self { rig, occasions, stored: Vec::new() }
    }

    fn with(phase: Phase, change: impl FnOnce(&mut PolicyNumbers)) -> Self {
        Self::new(Rig::with(phase, change))
    }

    /// Returns what the last step changed: `+blocked warning`, `-blocked`.
    #[track_caller]
    fn changes(&mut self) -> Vec<String> {
        let changes = self.occasions.after_step(self.rig.now, &self.rig.machine, &self.rig.policy);
        changes.iter().map(|change| self.store(change)).collect()
    }

    #[track_caller]
    fn store(&mut self, change: &OccasionChange) -> String {
        match change {
            OccasionChange::Began(Finding { key, severity, since, lasts, text }) => {
                assert!(!self.stored.iter().any(|known| known.key == *key && known.is_open), "{key} begins twice");
                assert!(*since <= self.rig.now && !text.is_empty());
                self.stored.push(KnownOccasion { key: key.clone(), since: *since, is_open: *lasts });
                format!("+{key} {severity}")
            }
            OccasionChange::Ended(key, _) => {
                let open = self.stored.iter().position(|known| known.key == *key && known.is_open);
                self.stored.remove(open.unwrap_or_else(|| panic!("{key} ends and is not open")));
                format!("-{key}")
            }
        }
    }

    #[track_caller]
    fn tick(&mut self, time: &str, facts: &Facts) -> Vec<String> {
        self.rig.tick(time, facts);
        self.changes()
    }

    #[track_caller]
    fn next_tick(&mut self, facts: &Facts) -> Vec<String> {
        self.rig.next_tick(facts);
        self.changes()
    }

    /// Builds the machine again from what is stored, as after a crash.
    fn restart(&mut self) {
        let machine = &self.rig.machine;
        let promise = Promise { phase: machine.phase(), since: machine.since(), end_time_owed: false };
        let unfinished = machine
            .action()
            .filter(|_| {
                machine.is_action_in_flight()
                    || machine.snapshot(self.rig.now, &self.rig.policy).progress == ActionProgress::Awaiting
            })
            .cloned();
        self.rig.machine = Machine::new(self.rig.now, &self.rig.policy, Some(promise), unfinished);
        self.occasions = CampaignOccasions::new(self.rig.now, self.stored.clone());
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn a_calm_campaign_has_no_occasion() {
    let mut watched = Watched::with(Phase::Idle, |numbers| numbers.warn_at = Some(Percent(80)));
    for minute in 0..30 {
        let facts = running().ends(at("23:59:00")).clicks(20_000).spend("7.99");
        assert_eq!(watched.tick(&format!("12:{minute:02}:00"), &facts), NOTHING);
    }
    assert_eq!(watched.tick("12:30:00", &running().clicks(4_000)), NOTHING, "a pause that is in flight");
    watched.rig.confirm();
    assert_eq!(watched.changes(), NOTHING);
}

#[test]
fn a_block_lasts_until_it_is_seen_to_be_over_and_funds_have_a_kind_of_their_own() {
    let archived = || stopped().with(|campaign| campaign.archived = true);
    for (facts, began, ended) in
        [(archived(), "+blocked warning", "-blocked"), (blocked(), "+no-funds critical", "-no-funds")]
    {
        let mut watched = Watched::with(Phase::PausedGuarded, |_| {});
        assert_eq!(watched.tick("12:00:00", &facts), [began]);
        assert_eq!(watched.tick("12:01:00", &facts), NOTHING);
        assert_eq!(watched.tick("12:02:00", &unread()), NOTHING, "a failed read ends nothing");
        watched.restart();
        assert_eq!(watched.next_tick(&unread()), NOTHING, "neither does a restart");
        assert_eq!(watched.next_tick(&facts), NOTHING, "and it does not begin again");
        assert_eq!(watched.next_tick(&stopped()), [ended]);
    }
}

#[test]
fn a_running_campaign_with_its_clicks_used_up_on_hold_is_critical_and_one_at_its_limit_alone_is_not() {
    let mut watched = Watched::with(Phase::Idle, |_| {});
    let (used_up, enough) = (running().clicks(4_000), running().clicks(20_000));
    let hold = Hold { reason: None, since: at("11:00:00"), until: None, by: None, pause: false };
    watched.rig.event(Event::HoldAll(Some(hold)));
    assert_eq!(watched.tick("12:00:00", &used_up), ["+unguarded/clicks critical"]);
    watched.restart();
    assert_eq!(watched.next_tick(&unread()), NOTHING);
    assert_eq!(watched.next_tick(&enough), ["-unguarded/clicks"]);
    let mut watched = Watched::with(Phase::Idle, |_| {});
    let at_limit = watched.tick("12:00:00", &enough.clone().spend("10.00"));
    assert_eq!(at_limit, ["+unguarded/limit warning", "+high-spend warning"]);
    let mut observing = Watched::with(Phase::Idle, |numbers| numbers.mode = Mode::Observe);
    assert_eq!(observing.tick("12:00:00", &used_up), NOTHING, "observe mode leaves it alone on purpose");
}

#[test]
fn high_spend_lasts_for_the_day_and_is_a_warning_only_if_the_campaign_is_left_alone() {
    for (policy, severity) in [(HighSpend::Observe, "warning"), (HighSpend::Guard, "info"), (HighSpend::Pause, "info")]
    {
        let mut watched = Watched::with(Phase::ActiveGuarded, |numbers| numbers.high_spend = policy);
        let facts = stopped().clicks(4_000);
        assert_eq!(watched.tick("12:00:00", &facts.clone().spend("9.99")), NOTHING);
        assert_eq!(watched.next_tick(&facts.clone().spend("10.00")), [format!("+high-spend {severity}")]);
        assert_eq!(watched.next_tick(&facts.clone().spend_unknown()), NOTHING);
        watched.restart();
        assert_eq!(watched.next_tick(&facts.clone().spend_unknown()), NOTHING, "a restart knows nothing new");
        assert_eq!(watched.next_tick(&facts.clone().spend("10.10")), NOTHING);
        watched.rig.now = at("2026-11-23 00:00:00");
        assert_eq!(watched.next_tick(&facts.spend("0.00")), ["-high-spend"]);
    }
}

#[test]
fn warn_at_is_one_occasion_a_day_also_over_a_restart() {
    let mut watched = Watched::with(Phase::PausedGuarded, |numbers| numbers.warn_at = Some(Percent(80)));
    let facts = stopped().clicks(4_000);
    assert_eq!(watched.tick("12:00:00", &facts.clone().spend("7.99")), NOTHING);
    assert_eq!(watched.next_tick(&facts.clone().spend("8.00")), ["+warned/2026-11-22/8.00 warning"]);
    assert_eq!(watched.next_tick(&facts.clone().spend("9.00")), NOTHING);
    watched.restart();
    assert_eq!(watched.next_tick(&facts.clone().spend("9.00")), NOTHING);
    let question = watched.rig.begin_tick("2026-11-23 00:00:00");
    assert_eq!(watched.changes(), NOTHING, "the spend that is known is yesterday's");
    watched.rig.observed(question, &facts.clone().spend("0.10"));
    assert_eq!(watched.changes(), NOTHING);
    assert_eq!(watched.next_tick(&facts.clone().spend("8.50")), ["+warned/2026-11-23/8.00 warning"]);
    let mut without = Watched::with(Phase::PausedGuarded, |_| {});
    assert_eq!(without.tick("12:00:00", &facts.spend("9.00")), NOTHING);
}

#[test]
fn a_warning_that_a_crash_has_lost_is_found_again_at_the_next_tick() {
    let mut watched = Watched::with(Phase::PausedGuarded, |numbers| numbers.warn_at = Some(Percent(80)));
    let facts = stopped().clicks(4_000).spend("8.00").stored("8.00");
    watched.tick("12:00:00", &facts);
    watched.stored.clear();
    watched.restart();
    assert_eq!(watched.next_tick(&facts), ["+warned/2026-11-22/8.00 warning"]);
}

#[test]
fn a_failed_action_lasts_until_one_is_confirmed_or_nothing_is_due() {
    let mut watched = Watched::with(Phase::PausedGuarded, |_| {});
    let due = stopped().clicks(20_000);
    assert_eq!(watched.tick("12:00:00", &due), NOTHING);
    watched.rig.applied(Outcome::Failed("listed under failed".to_owned()));
    assert_eq!(watched.changes(), ["+action-failed warning"]);
    watched.restart();
    assert_eq!(watched.next_tick(&due), NOTHING, "it is tried again");
    watched.rig.applied(Outcome::Failed("listed under failed".to_owned()));
    assert_eq!(watched.changes(), NOTHING, "it is the same occasion");
    assert_eq!(watched.next_tick(&unread()), NOTHING);
    assert_eq!(watched.next_tick(&stopped().clicks(4_000)), ["-action-failed"], "nothing is due");

    let mut watched = Watched::with(Phase::ActiveGuarded, |_| {});
    watched.tick("12:00:00", &running().clicks(4_000));
    watched.rig.applied(Outcome::Failed("503".to_owned()));
    assert_eq!(watched.changes(), ["+action-failed critical"], "a pause");
    watched.next_tick(&running().clicks(4_000));
    watched.rig.confirm();
    assert_eq!(watched.changes(), ["-action-failed"]);
}

#[test]
fn a_pause_that_no_read_confirms_for_two_minutes_is_critical_until_one_does() {
    let mut watched = Watched::with(Phase::ActiveGuarded, |_| {});
    let runs = running().clicks(4_000);
    watched.tick("12:00:00", &runs);
    for minute in 1..4 {
        watched.rig.applied(Outcome::Failed("503".to_owned()));
        watched.changes();
        let changes = watched.tick(&format!("12:{minute:02}:00"), &runs);
        let began = changes.contains(&"+unconfirmed critical".to_owned());
        assert_eq!(began, minute == 2, "at minute {minute}: {changes:?}");
    }
    watched.rig.confirm();
    assert!(watched.changes().contains(&"-unconfirmed".to_owned()));
}

#[test]
fn contested_ends_after_an_hour_without_a_foreign_change_also_over_a_restart() {
    let mut watched = Watched::with(Phase::ActiveGuarded, |numbers| numbers.contested_after = 0);
    let runs = running().ends(at("23:59:00"));
    watched.tick("12:00:00", &runs);
    assert_eq!(watched.next_tick(&stopped().ends(at("23:59:00"))), ["+contested warning"]);
    watched.rig.confirm();
    watched.changes();
    watched.restart();
    let restarted_at = watched.rig.now;
    loop {
        let changes = watched.next_tick(&runs);
        if !changes.is_empty() {
            assert_eq!(changes, ["-contested"]);
            break;
        }
        assert!(watched.rig.now < restarted_at + Duration::minutes(62));
    }
    assert!(watched.rig.now >= restarted_at + Duration::hours(1), "the new actor has to see an hour of calm itself");
}

#[test]
fn a_top_up_is_one_occasion_and_a_refused_one_lasts_until_it_is_possible() {
    let top_up = |numbers: &mut PolicyNumbers| {
        numbers.high_spend = HighSpend::TopUp;
        numbers.price_per_thousand = Some(money("0.10"));
        numbers.top_up_ceiling = Some(money("60.00"));
    };
    let day =
        |facts: Facts| facts.urls(&[(1, 100_000, 30_000, true)]).budget("10.15").ends(at("23:59:00")).spend("10.00");
    let mut watched = Watched::with(Phase::ActiveGuarded, top_up);
    watched.tick("12:00:00", &day(running()));
    watched.rig.confirm();
    watched.changes();
    watched.rig.now = watched.rig.machine.phase().cooling_down_until().unwrap();
    watched.next_tick(&day(stopped()));
    watched.rig.applied(Outcome::Accepted);
    assert_eq!(watched.changes(), NOTHING, "it is not confirmed");
    watched.rig.read_back(&day(stopped()).budget("17.00"));
    let requested_at = watched.rig.machine.action().unwrap().requested_at.timestamp_micros();
    assert_eq!(watched.changes(), [format!("+top-up/{requested_at} info")]);
    assert_eq!(watched.next_tick(&day(stopped()).budget("17.00")), NOTHING);

    let mut refused = Watched::with(Phase::ActiveGuarded, |numbers| {
        top_up(numbers);
        numbers.top_up_ceiling = None;
    });
    let changes = refused.tick("12:00:00", &day(running()));
    assert!(changes.contains(&"+top-up/refused warning".to_owned()), "{changes:?}");
    refused.rig.policy = Rig::with(Phase::Idle, top_up).policy;
    let mut ended = Vec::new();
    while !ended.contains(&"-top-up/refused".to_owned()) {
        assert!(refused.rig.now < at("12:30:00"), "it never ends");
        ended = refused.next_tick(&day(stopped()));
    }
}

#[test]
fn all_occasions_end_when_the_campaign_is_no_longer_guarded() {
    let mut watched = Watched::with(Phase::PausedGuarded, |_| {});
    watched.tick("12:00:00", &blocked());
    let ended = watched.occasions.end_all(watched.rig.now);
    assert_eq!(ended, [OccasionChange::Ended(OccasionKey::of(OccasionKind::NoFunds), watched.rig.now)]);
    assert_eq!(watched.tick("12:01:00", &blocked()), NOTHING, "what is still read is no occasion");
    assert!(Severity::Critical > Severity::Warning && Severity::Warning > Severity::Info);
}
