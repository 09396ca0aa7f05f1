//! The content of a message: as JSON for programs (control/API.md, "A webhook's body"), and as plain text for people.
//!
//! Both depend only on what is stored, so that a message that is sent again says the same.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::Serialize;

use crate::domain::alert::{AlertStep, Occasion};
use crate::domain::money::Clicks;
use crate::domain::occasion::{OccasionCampaign, OccasionKind, Severity};
use crate::domain::text::cut;
use crate::printable::printable;

/// The most occasions that one message lists. `alert list` has all of them.
const LISTED: usize = 50;
/// The most occasions that the text of one message lists.
const LISTED_IN_TEXT: usize = 20;

/// A message to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id: the same at each attempt to send it.
    pub id: String,
    /// The time (UTC) when it was made.
    pub gathered_at: DateTime<Utc>,
    /// What it says, the most urgent first. It is never empty.
    pub items: Vec<Item>,
}

/// One step of one occasion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// The occasion.
    pub occasion: Occasion,
    /// The step.
    pub step: AlertStep,
    /// The number of the reminder; 0 if it is none.
    pub reminder: u32,
}

/// The body of a webhook with the template `standard`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Body {
    /// The kind: `campaign.contested`, `supervisor.database`, or `alerts.gathered` for several occasions.
    #[serde(rename = "type")]
    pub kind: String,
    /// The time (UTC) when the message was made.
    pub timestamp: DateTime<Utc>,
    /// The occasion, or the occasions.
    pub data: Data,
}

/// What a message says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Data {
    /// One occasion.
    One(ShownItem),
    /// Several occasions that were gathered.
    Several {
        /// The number of occasions.
        count: usize,
        /// The highest severity among them.
        severity: Severity,
        /// All of them in words.
        text: String,
        /// The first of them.
        occasions: Vec<ShownItem>,
        /// The number of those that are not listed.
        omitted: usize,
    },
}

/// One step of one occasion, as it is sent. It has no number of the database: a message may leave before it is stored, and
/// must say the same when it is repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownItem {
    /// The kind.
    pub occasion: OccasionKind,
    /// The key: the same until the occasion is over.
    pub key: String,
    /// The severity.
    pub severity: Severity,
    /// `firing` or `resolved`.
    pub state: &'static str,
    /// The number of the reminder; 0 if it is none.
    pub reminder: u32,
    /// Whether `resolved` follows when it is over. Otherwise it was over when it began.
    pub lasts: bool,
    /// The campaign; `None` if it is not about one campaign.
    pub campaign: Option<OccasionCampaign>,
    /// What is the case, in words.
    pub text: String,
    /// The time (UTC) when it began.
    pub since: DateTime<Utc>,
    /// The time (UTC) when it ended.
    pub resolved_at: Option<DateTime<Utc>>,
}

impl Message {
    /// Returns the body for programs.
    #[must_use]
    pub fn body(&self, zone: Tz) -> Body {
        let shown = |item: &Item| item.shown(zone);
        let (kind, data) = match self.items.as_slice() {
            [item] => (item.kind(), Data::One(shown(item))),
            items => {
                let several = Data::Several {
                    count: items.len(),
                    severity: self.severity(),
                    text: self.text(zone),
                    occasions: items.iter().take(LISTED).map(shown).collect(),
                    omitted: items.len().saturating_sub(LISTED),
                };
                ("alerts.gathered".to_owned(), several)
            }
        };
        Body { kind, timestamp: self.gathered_at, data }
    }

    /// Returns the highest severity of what is not over, or `info` if all is over.
    #[must_use]
    pub fn severity(&self) -> Severity {
        let firing = self.items.iter().filter(|item| item.step != AlertStep::Resolved);
        firing.map(|item| item.occasion.severity).max().unwrap_or(Severity::Info)
    }

    /// Returns one line that says what it is about.
    #[must_use]
    pub fn title(&self) -> String {
        match self.items.as_slice() {
            [item] => format!("{} {}", item.mark(), item.subject()),
            items => {
                let over = items.iter().filter(|item| item.step == AlertStep::Resolved).count();
                let firing = items.len() - over;
                let (mark, kind) = (format!("[{}]", self.severity()), self.of_one_kind());
                let alerts =
                    |count: usize| format!("{} {}", Clicks(count as u64), if count == 1 { "alert" } else { "alerts" });
                let are_over = format!("{} {} over", Clicks(over as u64), if over == 1 { "is" } else { "are" });
                match (firing, over) {
                    (_, 0) => format!("{mark} {}{kind}", alerts(firing)),
                    (0, _) => format!("[resolved] {} are over{kind}", alerts(over)),
                    _ => format!("{mark} {}, and {are_over}{kind}", alerts(firing)),
                }
            }
        }
    }

    /// Returns the kind of all its occasions, if they have one.
    fn of_one_kind(&self) -> String {
        let mut kinds = self.items.iter().map(|item| item.occasion.key.kind);
        let first = kinds.next();
        first.filter(|first| kinds.all(|kind| kind == *first)).map(|kind| format!(": {kind}")).unwrap_or_default()
    }

    /// Returns the whole message for people, without any markup.
    #[must_use]
    pub fn text(&self, zone: Tz) -> String {
        if let [item] = self.items.as_slice() {
            return format!("{}: {}", self.title(), item.sentence(zone));
        }
        let listed = self.items.iter().take(LISTED_IN_TEXT);
        let lines = listed.map(|item| format!("- {} {}: {}", item.mark(), item.subject(), item.sentence(zone)));
        let rest = self.items.len().saturating_sub(LISTED_IN_TEXT);
        let rest = (rest > 0).then(|| format!("and {} more: see `traffic-generator alert list`", Clicks(rest as u64)));
        [self.title()].into_iter().chain(lines).chain(rest).collect::<Vec<_>>().join("\n")
    }
}

impl Item {
    fn kind(&self) -> String {
        let about = if self.occasion.campaign.is_some() { "campaign" } else { "supervisor" };
        format!("{about}.{}", self.occasion.key.kind)
    }

    fn mark(&self) -> String {
        match self.step {
            AlertStep::Firing => format!("[{}]", self.occasion.severity),
            AlertStep::Reminder => format!("[{}, reminder {}]", self.occasion.severity, self.reminder),
            AlertStep::Resolved => "[resolved]".to_owned(),
        }
    }

    fn subject(&self) -> String {
        let kind = self.occasion.key.kind;
        match &self.occasion.campaign {
            Some(campaign) => format!("{kind}, {} (campaign {})", shown_name(&campaign.name), campaign.id),
            None => kind.to_string(),
        }
    }

    fn sentence(&self, zone: Tz) -> String {
        let Occasion { since, resolved_at, lasts, key, .. } = &self.occasion;
        let text = lines_printable(&self.occasion.text);
        let local = |at: &DateTime<Utc>| at.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z").to_string();
        match (self.step, resolved_at) {
            (AlertStep::Resolved, Some(end)) => {
                format!("over since {}; it began at {}: {text}", local(end), local(since))
            }
            _ if key.kind == OccasionKind::Digest => text,
            _ if *lasts => format!("{text} (since {})", local(since)),
            _ => format!("{text} ({})", local(since)),
        }
    }

    fn shown(&self, zone: Tz) -> ShownItem {
        let Occasion { campaign, key, severity, lasts, since, resolved_at, .. } = &self.occasion;
        let named =
            |campaign: &OccasionCampaign| OccasionCampaign { name: shown_name(&campaign.name), ..campaign.clone() };
        ShownItem {
            occasion: key.kind,
            key: printable(&self.occasion.full_key()),
            severity: *severity,
            state: if self.step == AlertStep::Resolved { "resolved" } else { "firing" },
            reminder: self.reminder,
            lasts: *lasts,
            campaign: campaign.as_ref().map(named),
            text: format!("{} {}: {}", self.mark(), self.subject(), self.sentence(zone)),
            since: *since,
            // Only this step says so: a repeated message must not change when the occasion ends.
            resolved_at: resolved_at.filter(|_| self.step == AlertStep::Resolved),
        }
    }
}

/// Returns a name that trackers wrote, safe to show and not too long.
fn shown_name(name: &str) -> String {
    cut(&printable(name))
}

/// Returns a text of several lines, each of them safe to show.
fn lines_printable(text: &str) -> String {
    text.lines().map(printable).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use chrono_tz::Europe::Berlin;
    use serde_json::json;

    use super::*;
    use crate::domain::alert::OccasionId;
    use crate::domain::ids::{CampaignId, RemoteId};
    use crate::domain::occasion::OccasionKey;

    pub(in crate::alerts) fn occasion(campaign: i64, name: &str) -> Occasion {
        let at = "2026-11-22T12:00:01.5Z".parse().unwrap();
        Occasion {
            id: Some(OccasionId(campaign + 16)),
            campaign: Some(OccasionCampaign {
                id: CampaignId(campaign),
                name: name.to_owned(),
                trafficstar_id: RemoteId(995_224),
            }),
            key: OccasionKey::of(OccasionKind::Blocked),
            severity: Severity::Warning,
            text: "TrafficStars will not run it: archived".to_owned(),
            lasts: true,
            since: at,
            resolved_at: None,
            acked: None,
        }
    }

    fn message(items: Vec<Item>) -> Message {
        Message { id: "blocked-1".to_owned(), gathered_at: "2026-11-22T12:00:11Z".parse().unwrap(), items }
    }

    fn firing(occasion: Occasion) -> Item {
        Item { occasion, step: AlertStep::Firing, reminder: 0 }
    }

    #[test]
    fn one_occasion_is_the_body_that_the_contract_names() {
        let body = serde_json::to_value(message(vec![firing(occasion(1, "Autumn"))]).body(Berlin)).unwrap();
        assert_eq!(
            body,
            json!({
                "type": "campaign.blocked", "timestamp": "2026-11-22T12:00:11Z",
                "data": {
                    "occasion": "blocked", "key": "blocked/1", "severity": "warning", "state": "firing",
                    "reminder": 0, "lasts": true,
                    "campaign": {"id": 1, "name": "Autumn", "trafficstar_id": 995_224},
                    "text": "[warning] blocked, Autumn (campaign 1): TrafficStars will not run it: archived (since \
                             2026-11-22 13:00 CET)",
                    "since": "2026-11-22T12:00:01.500Z", "resolved_at": null,
                },
            })
        );
    }

    #[test]
    fn the_end_and_a_reminder_say_so_and_times_are_those_of_the_zone() {
        let over = Occasion { resolved_at: Some("2026-11-22T14:30:00Z".parse().unwrap()), ..occasion(1, "Autumn") };
        let resolved = message(vec![Item { occasion: over.clone(), step: AlertStep::Resolved, reminder: 0 }]);
        assert_eq!(
            resolved.text(Berlin),
            "[resolved] blocked, Autumn (campaign 1): over since 2026-11-22 15:30 CET; it began at 2026-11-22 13:00 CET: \
             TrafficStars will not run it: archived"
        );
        assert_eq!(resolved.severity(), Severity::Info);
        let reminder = message(vec![Item { occasion: over, step: AlertStep::Reminder, reminder: 2 }]);
        assert!(reminder.text(chrono_tz::UTC).starts_with("[warning, reminder 2] blocked, Autumn (campaign 1): "));
    }

    #[test]
    fn a_thousand_occasions_are_one_message_that_lists_some_and_counts_all() {
        let all = message((1..=1_000).map(|campaign| firing(occasion(campaign, "Autumn"))).collect());
        let text = all.text(chrono_tz::UTC);
        assert!(
            text.starts_with("[warning] 1,000 alerts: blocked\n- [warning] blocked, Autumn (campaign 1): "),
            "{text}"
        );
        assert!(text.ends_with("\nand 980 more: see `traffic-generator alert list`"), "{text}");
        let body = serde_json::to_value(all.body(chrono_tz::UTC)).unwrap();
        assert_eq!((&body["type"], &body["data"]["count"]), (&json!("alerts.gathered"), &json!(1_000)));
        assert_eq!((&body["data"]["omitted"], body["data"]["occasions"].as_array().unwrap().len()), (&json!(950), 50));
        assert!(body.to_string().len() < 40_000);
    }

    #[test]
    fn a_name_with_line_breaks_cannot_forge_a_line() {
        let text = message(vec![firing(occasion(1, "Autumn\n[critical] all is lost\u{202e}"))]).text(chrono_tz::UTC);
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
