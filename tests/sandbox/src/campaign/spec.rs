//! The settings of a campaign, and the view of its state that tests get.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

use super::words::{SWITCHED_OFF, SWITCHED_ON};
use crate::amount::Amount;

/// The settings of a campaign, as a test, the demo or a person wants them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CampaignSpec {
    /// The campaign's id.
    pub id: i64,
    /// The campaign's name.
    pub name: String,
    /// Whether the advertiser has switched the campaign on.
    pub active: bool,
    /// The status word. Without funds, `enabled` and `paused` become `no_funds_active` and `no_funds_paused`.
    pub status: String,
    /// The moderation word.
    pub approved: String,
    /// Whether the campaign is out of funds. It neither runs nor spends then, but can be switched on and off.
    pub no_funds: bool,
    /// Whether the campaign is archived. The list leaves it out then.
    pub archived: bool,
    /// The time at which the campaign stops by itself, `YYYY-MM-DD HH:MM:SS`; `None` is shown as `null`.
    pub schedule_end_time: Option<String>,
    /// The UTC offset of the schedule, in hours.
    pub schedule_timezone: i64,
    /// The account's UTC offset, in hours. It is only shown: the sandbox counts spend in UTC days.
    pub timezone: i64,
    /// Today's spend. `None` if none is recorded; the key is missing then.
    pub spent_today: Option<Amount>,
    /// The key under which today's spend is shown: `spent_today` or `spent`.
    #[serde(deserialize_with = "spend_key")]
    pub spend_key: FieldName,
    /// The form in which today's spend is shown.
    pub spend_form: SpendForm,
    /// The daily budget. When a running campaign has spent it, the campaign stops until the next day, or until the
    /// budget is raised. 0 is no budget.
    pub max_daily: Amount,
    /// The amount that a running campaign spends in a second.
    pub spend_per_second: Amount,
    /// The number of clicks in a second while the campaign runs (see [`crate::Options::database`]).
    pub clicks_per_second: u32,
    /// Fields that answers show with these values, in every state of the campaign; `None` leaves the field out.
    // Not read from JSON: null would be the same as a missing field. The control interface has requests of its own for
    // it.
    #[serde(skip)]
    pub overrides: Vec<(String, Option<Value>)>,
}

/// The form of an amount in a campaign.
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
    /// The campaign's name.
    pub name: String,
    /// Whether the campaign runs: it is switched on and not blocked, its end time has not passed, and its daily budget
    /// is not used up.
    pub running: bool,
    /// Whether the campaign is blocked, so that a run has no effect. A used-up daily budget does not block.
    pub blocked: bool,
    /// The campaign's end time.
    pub ends_at: Option<DateTime<Utc>>,
    /// The daily budget; 0 if there is none.
    pub max_daily: Amount,
    /// Whether today's spend has reached the daily budget.
    pub budget_used: bool,
    /// Today's spend, if one is recorded.
    pub spent_today: Option<Amount>,
}

/// A field's name that is a constant of this code. The alias is needed: serde would take a `&'static str` in a field's
/// type for a part of the text that it reads.
type FieldName = &'static str;

const SPEND_KEYS: [FieldName; 2] = ["spent_today", "spent"];

fn spend_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<FieldName, D::Error> {
    let key = String::deserialize(deserializer)?;
    let known = SPEND_KEYS.into_iter().find(|known| *known == key);
    known.ok_or_else(|| de::Error::unknown_variant(&key, &SPEND_KEYS))
}

impl CampaignSpec {
    /// Returns a campaign that is enabled and runs.
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

    /// Returns a campaign that is paused.
    #[must_use]
    pub fn paused(id: i64) -> Self {
        Self { active: false, status: SWITCHED_OFF.to_owned(), ..Self::running(id) }
    }

    /// Returns a blocked campaign, as in the vendor's own example: `active: true` together with `unapproved`.
    #[must_use]
    pub fn blocked(id: i64) -> Self {
        Self { status: "unapproved".to_owned(), approved: "rejected".to_owned(), ..Self::running(id) }
    }

    /// Returns the same campaign with today's spend.
    #[must_use]
    pub fn spent(self, spent_today: Amount) -> Self {
        Self { spent_today: Some(spent_today), ..self }
    }

    /// Returns the same campaign, whose answers always show `field` as `value`; `None` leaves the field out.
    #[must_use]
    pub fn with_field(mut self, field: &str, value: Option<Value>) -> Self {
        self.overrides.push((field.to_owned(), value));
        self
    }
}
