//! A campaign as a test or a person wants it, and what they are told of it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::words::{SWITCHED_OFF, SWITCHED_ON};
use crate::amount::Amount;

/// A campaign as a test or the demo wants it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignSpec {
    /// Its id.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Switched on by the advertiser.
    pub active: bool,
    /// The status word. Out of funds, `enabled` and `paused` become `no_funds_active` and `no_funds_paused`.
    pub status: String,
    /// The moderation word.
    pub approved: String,
    /// Out of funds: it neither runs nor spends, and is switched on and off all the same.
    pub no_funds: bool,
    /// Archived: left out of the list.
    pub archived: bool,
    /// When it stops by itself, `YYYY-MM-DD HH:MM:SS`; `None` is `null`.
    pub schedule_end_time: Option<String>,
    /// The offset in hours by which the schedule is read.
    pub schedule_timezone: i64,
    /// The account's offset in hours. Shown, not applied: spend is counted in UTC days.
    pub timezone: i64,
    /// Today's spend; `None` where nothing is on record: the key is missing then.
    pub spent_today: Option<Amount>,
    /// The key under which today's spend is shown: `spent_today` or `spent`.
    #[serde(deserialize_with = "spend_key")]
    pub spend_key: FieldName,
    /// The form in which today's spend is shown.
    pub spend_form: SpendForm,
    /// The daily budget: what it has spent never exceeds it while it runs, and it stops there until the next day, or
    /// until the budget is raised. 0 is no bound.
    pub max_daily: Amount,
    /// What it spends in a second while it runs.
    pub spend_per_second: Amount,
    /// How often its visitors click in a second while it runs (see [`crate::Options::database`]).
    pub clicks_per_second: u32,
    /// Fields that are answered like this whatever else holds; `None` leaves the field out.
    // JSON's null could not be told from a field that is left out: the control interface has requests of its own for it.
    #[serde(skip)]
    pub overrides: Vec<(String, Option<Value>)>,
}

/// How an amount is written in a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpendForm {
    /// A number, rounded half up to cents, as seen: `32.49`.
    Cents,
    /// A number with all its decimals.
    Exact,
    /// A text: `"12.34"`.
    Text,
    /// A text with the currency: `"$12.34"`.
    DollarText,
}

/// A campaign's present state.
#[derive(Debug, Clone, PartialEq)]
pub struct CampaignView {
    /// Its name.
    pub name: String,
    /// Visitors come: switched on, not blocked, its end time not passed, its daily budget not used up.
    pub running: bool,
    /// Running it cannot help. A daily budget that is used up is not counted.
    pub blocked: bool,
    /// Its end time.
    pub ends_at: Option<DateTime<Utc>>,
    /// Today's spend has reached the daily budget.
    pub budget_used: bool,
    /// Today's spend, if any is on record.
    pub spent_today: Option<Amount>,
}

/// A field's name that stands in the code. Written as a reference, serde would take it for a part of the text it reads.
type FieldName = &'static str;

const SPEND_KEYS: [FieldName; 2] = ["spent_today", "spent"];

fn spend_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FieldName, D::Error> {
    let key = String::deserialize(deserializer)?;
    let known = SPEND_KEYS.into_iter().find(|known| *known == key);
    known.ok_or_else(|| de::Error::unknown_variant(&key, &SPEND_KEYS))
}

impl CampaignSpec {
    /// A campaign that is enabled and runs.
    #[must_use]
    pub fn running(id: i64) -> Self {
        Self {
            id,
            name: format!("campaign {id}"),
            active: true,
            status: SWITCHED_ON.to_owned(),
            approved: "approved".to_owned(),
            no_funds: false,
            archived: false,
            schedule_end_time: None,
            schedule_timezone: 0,
            timezone: 0,
            spent_today: None,
            spend_key: "spent_today",
            spend_form: SpendForm::Cents,
            max_daily: Amount::cents(10_000),
            spend_per_second: Amount::default(),
            clicks_per_second: 0,
            overrides: Vec::new(),
        }
    }

    /// A campaign that somebody has paused.
    #[must_use]
    pub fn paused(id: i64) -> Self {
        Self { active: false, status: SWITCHED_OFF.to_owned(), ..Self::running(id) }
    }

    /// The vendor's own example: `active: true` together with `unapproved`.
    #[must_use]
    pub fn blocked(id: i64) -> Self {
        Self { status: "unapproved".to_owned(), approved: "rejected".to_owned(), ..Self::running(id) }
    }

    /// The same with today's spend.
    #[must_use]
    pub fn spent(self, spent_today: Amount) -> Self {
        Self { spent_today: Some(spent_today), ..self }
    }

    /// The same with `field` answered as `value` whatever else holds; `None` leaves it out.
    #[must_use]
    pub fn with_field(mut self, field: &str, value: Option<Value>) -> Self {
        self.overrides.push((field.to_owned(), value));
        self
    }
}
