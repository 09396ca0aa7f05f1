//! Rows of campaigns in the API. `PATCH` accepts what `GET` answers.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::values::{self, Cooldown, Count, SpendLimit};
use super::{Ask, Generator, SetGenerator, UrlPatch};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::money::Money;
use crate::domain::policy::{HighSpend, Mode};
use crate::domain::status::Hold;

/// A campaign's row. An override that is null leaves the config's default in force.
///
/// Overrides are shown as stored: another program may have written an invalid one, which must be visible to be
/// corrected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Campaign {
    /// The campaign's database id.
    pub id: CampaignId,
    /// The campaign's name.
    pub name: String,
    /// The campaign's id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// Whether the campaign is guarded.
    pub generator_enabled: bool,
    /// The mode: `act` or `observe`.
    pub mode: Option<String>,
    /// The spend limit, from which on `high_spend` decides, as decimal text in the account's currency.
    pub spend_limit: Option<String>,
    /// The campaign is activated at this many remaining clicks or more.
    pub activate_clicks: Option<i64>,
    /// The campaign is paused at this many remaining clicks or fewer.
    pub pause_clicks: Option<i64>,
    /// The cool-down after a pause, as text like `2m 30s`.
    pub cooldown: Option<String>,
    /// The policy when the spend limit is reached.
    pub high_spend: Option<String>,
    /// The price of a thousand clicks, as decimal text in the account's currency, with the policy `top-up`.
    pub price_per_thousand: Option<String>,
    /// More remaining clicks than this count as unknown.
    pub implausible_clicks: Option<i64>,
    /// The number that replaces `activate_clicks` from the spend limit on, with the policies `guard` and `top-up`.
    #[serde(default)]
    pub high_activate_clicks: Option<i64>,
    /// The number that replaces `pause_clicks` from the spend limit on, with the policies `guard` and `top-up`.
    #[serde(default)]
    pub high_pause_clicks: Option<i64>,
    /// The most that a day may cost, as decimal text in the account's currency, with the policy `top-up`.
    #[serde(default)]
    pub top_up_ceiling: Option<String>,
    /// The daily budget (`max_daily`) is set back to it each day, as decimal text, with the policy `top-up`.
    #[serde(default)]
    pub daily_budget: Option<String>,
    /// The name of its group, one of the config's `[[groups]]`.
    #[serde(default)]
    pub group_name: Option<String>,
}

/// The body of `PATCH /v1/campaigns/{id}`, and of `POST /v1/campaigns`, which needs `name` and `trafficstar_id`. A
/// field that is left out stays as it is; null clears an override.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CampaignPatch {
    /// The campaign's database id. It cannot be changed: it may only be sent back as it was received.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub id: Option<CampaignId>,
    /// The campaign's name.
    #[serde(deserialize_with = "values::given_name", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// The campaign's id at TrafficStars. Changing it has the effect of removing the campaign and adding another one.
    #[serde(deserialize_with = "values::given_remote_id", skip_serializing_if = "Option::is_none")]
    pub trafficstar_id: Option<RemoteId>,
    /// Whether the campaign is guarded.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub generator_enabled: Option<bool>,
    /// The mode: `act` or `observe`. If the campaign or the config says `observe`, that applies.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub mode: Option<Option<Mode>>,
    /// The spend limit, from which on `high_spend` decides: decimal text above 0.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub spend_limit: Option<Option<SpendLimit>>,
    /// The campaign is activated at this many remaining clicks or more. Must be above `pause_clicks`, or its default.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub activate_clicks: Option<Option<Count>>,
    /// The campaign is paused at this many remaining clicks or fewer. Must be below `activate_clicks`, or its default.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub pause_clicks: Option<Option<Count>>,
    /// The cool-down after a pause: whole seconds, as text like `2m 30s`, 24h at most.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub cooldown: Option<Option<Cooldown>>,
    /// The policy when the spend limit is reached.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub high_spend: Option<Option<HighSpend>>,
    /// The price of a thousand clicks, for the policy `top-up`: decimal text. With 0 no top-up is sent. Without it the
    /// campaign's price at TrafficStars counts.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub price_per_thousand: Option<Option<Money>>,
    /// More remaining clicks than this count as unknown. Must be above `activate_clicks` and `high_activate_clicks`, or
    /// their defaults.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub implausible_clicks: Option<Option<Count>>,
    /// The number that replaces `activate_clicks` from the spend limit on, with the policies `guard` and `top-up`. Must be above
    /// `high_pause_clicks`, or its default.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub high_activate_clicks: Option<Option<Count>>,
    /// The number that replaces `pause_clicks` from the spend limit on, with the policies `guard` and `top-up`. Must be below
    /// `high_activate_clicks`, or its default.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub high_pause_clicks: Option<Option<Count>>,
    /// The most that a day may cost, with the policy `top-up`: decimal text above the spend limit.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub top_up_ceiling: Option<Option<Money>>,
    /// The daily budget (`max_daily`) is set back to it each day, with the policy `top-up`: decimal text, not below the
    /// spend limit and not above `top_up_ceiling`.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub daily_budget: Option<Option<Money>>,
    /// The name of its group, one of the config's `[[groups]]`; null for no group.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub group_name: Option<Option<String>>,
    /// With `generator_enabled: false` or another `trafficstar_id`: pause the campaign first. If the pause fails, the
    /// campaign stays guarded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
    /// With `generator_enabled: false`: let the campaign keep running, unguarded. Without this and without `pause`, a
    /// campaign that may run stays guarded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leave_running: bool,
    /// With `generator_enabled: true`: guard the campaign even without an active URL. It then has no remaining clicks,
    /// and is paused at once if it runs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anyway: bool,
    /// With `generator_enabled: true` and no other change: pause the campaign first, and decide after this duration, a text
    /// like `10m`. Until then it is on hold, and kept paused.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub pause_first: Option<String>,
    /// A new campaign's first URL. It needs `target_url` and `click_limit`; without a `name` it gets the campaign's
    /// name.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub url: Option<UrlPatch>,
}

impl CampaignPatch {
    /// Returns the order to guard a campaign; a campaign without an active URL needs `anyway`.
    #[must_use]
    pub fn enable(anyway: bool, pause_first: Option<String>) -> Self {
        Self { generator_enabled: Some(true), anyway, pause_first, ..Self::default() }
    }

    /// Returns the order to stop guarding a campaign. With neither `pause` nor `leave_running`, a campaign that may run
    /// stays guarded.
    #[must_use]
    pub fn disable(pause: bool, leave_running: bool) -> Self {
        Self { generator_enabled: Some(false), pause, leave_running, ..Self::default() }
    }

    /// Returns this as an order about the generator, if it changes nothing else. That order needs no read of the row.
    /// `hold` is the one of `pause_first`.
    #[must_use]
    pub fn generator_alone(&self, campaign: CampaignId, hold: Option<Hold>) -> Option<SetGenerator> {
        let enabled = self.generator_enabled?;
        let Self { id, generator_enabled, pause, leave_running, anyway, .. } = *self;
        let pause_first = self.pause_first.clone();
        let alone = Self { id, generator_enabled, pause, leave_running, anyway, pause_first, ..Self::default() };
        let to = if enabled {
            Generator::Enabled { anyway, pause_first: hold }
        } else {
            Generator::Disabled { pause, leave_running }
        };
        (*self == alone).then_some(SetGenerator { campaign, to })
    }

    /// Whether the campaign already has each given value.
    #[must_use]
    pub fn is_met_by(&self, campaign: &Campaign) -> bool {
        let patch = self.clone();
        let patch = Self { pause: false, leave_running: false, anyway: false, ..patch };
        let wanted = Self { id: None, pause_first: None, url: None, ..patch };
        let Ok(Value::Object(wanted)) = serde_json::to_value(wanted) else { return false };
        let shown = serde_json::to_value(campaign).unwrap_or_default();
        wanted.iter().all(|(field, value)| shown.get(field) == Some(value))
    }
}

/// Change a campaign's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeCampaign {
    /// The campaign's database id.
    pub campaign: CampaignId,
    /// The fields to change. They are many, and most messages are small.
    pub patch: Box<CampaignPatch>,
}

/// Remove a campaign's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveCampaign {
    /// The campaign's database id.
    pub campaign: CampaignId,
    /// Whether to pause the campaign first. Without this, a guarded campaign that may run is not removed.
    pub pause: bool,
}

/// A question or an order about the table `campaigns`.
#[derive(Debug)]
pub enum CampaignOrder {
    /// Read every row.
    List(Ask<(), Vec<Campaign>>),
    /// Read one row.
    Show(Ask<CampaignId, Campaign>),
    /// Add a row.
    Add(Ask<Box<CampaignPatch>, Campaign>),
    /// Change a row. The answer is the changed row.
    Change(Ask<ChangeCampaign, Campaign>),
    /// Remove a row. The answer is the removed row.
    Remove(Ask<RemoveCampaign, Campaign>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(json: &str) -> CampaignPatch {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn an_order_about_the_generator_alone_is_recognized() {
        let set = |to| Some(SetGenerator { campaign: CampaignId(1), to });
        let disabled = |pause, leave_running| set(Generator::Disabled { pause, leave_running });
        let cases = [
            (r#"{"generator_enabled": true}"#, set(Generator::Enabled { anyway: false, pause_first: None })),
            (
                r#"{"generator_enabled": true, "anyway": true}"#,
                set(Generator::Enabled { anyway: true, pause_first: None }),
            ),
            (r#"{"generator_enabled": false, "pause": true, "id": 1}"#, disabled(true, false)),
            (r#"{"generator_enabled": false, "leave_running": true}"#, disabled(false, true)),
            (r#"{"generator_enabled": true, "mode": null}"#, None),
            (r#"{"name": "n"}"#, None),
        ];
        for (json, order) in cases {
            assert_eq!(patch(json).generator_alone(CampaignId(1), None), order, "{json}");
        }
    }

    #[test]
    fn a_patch_is_met_by_a_campaign_that_has_each_given_value() {
        let json = r#"{"id": 1, "name": "n", "trafficstar_id": 7, "generator_enabled": true, "mode": "act",
            "spend_limit": "2.50", "activate_clicks": 3, "pause_clicks": 2, "cooldown": "1m 30s", "high_spend": "observe",
            "price_per_thousand": null, "implausible_clicks": 9, "high_activate_clicks": 5,
            "high_pause_clicks": null, "top_up_ceiling": "60.00", "daily_budget": null, "group_name": "autumn"}"#;
        let campaign: Campaign = serde_json::from_str(json).unwrap();
        assert!(patch(json).is_met_by(&campaign));
        assert!(
            patch(r#"{"spend_limit": "2.5", "cooldown": "90s"}"#).is_met_by(&campaign),
            "the same values in another form"
        );
        let others = serde_json::json!({
            "name": "m", "trafficstar_id": 8, "generator_enabled": false, "mode": null, "spend_limit": "2.51",
            "activate_clicks": null, "pause_clicks": 1, "cooldown": "91s", "high_spend": null, "price_per_thousand": "0",
            "implausible_clicks": 8, "high_activate_clicks": 6, "high_pause_clicks": 0,
            "top_up_ceiling": null, "daily_budget": "10.15", "group_name": null,
        });
        for (field, value) in others.as_object().unwrap() {
            let other = serde_json::json!({ field: value }).to_string();
            assert!(!patch(&other).is_met_by(&campaign), "{other}");
        }
    }

    #[test]
    fn a_patch_is_sent_with_its_given_fields_only() {
        for json in ["{}", r#"{"name":"n","mode":null,"cooldown":"2m","pause":true}"#] {
            assert_eq!(serde_json::to_string(&patch(json)).unwrap(), json);
        }
    }
}
