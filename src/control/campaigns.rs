//! Campaigns' rows in the API. What `GET` answers can be sent back by `PATCH`.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::values::{self, Cooldown, Count, SpendLimit};
use super::{Ask, Generator, SetGenerator, UrlPatch};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::money::Money;
use crate::domain::policy::{HighSpend, Mode};

/// A campaign's row. An override that is null leaves the config's default in force.
///
/// Overrides are shown as stored: whoever else writes the table may have written what makes no sense, and that has to be
/// seen to be put right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Campaign {
    /// The row's key.
    pub id: CampaignId,
    /// Its name.
    pub name: String,
    /// Its id at TrafficStars.
    pub trafficstar_id: RemoteId,
    /// Whether it is guarded.
    pub generator_enabled: bool,
    /// `act` or `observe`.
    pub mode: Option<String>,
    /// From this spend on it is left alone, as decimal text in the account's currency.
    pub spend_limit: Option<String>,
    /// With this many remaining clicks or more it is run.
    pub activate_clicks: Option<i64>,
    /// With this many remaining clicks or fewer it is paused.
    pub pause_clicks: Option<i64>,
    /// The cool-down after a pause, as humantime text.
    pub cooldown: Option<String>,
    /// The policy from the spend limit on.
    pub high_spend: Option<String>,
    /// What a thousand clicks cost, as decimal text in the account's currency. It has no effect yet.
    pub price_per_thousand: Option<String>,
    /// More remaining clicks than this count as unknown.
    pub implausible_clicks: Option<i64>,
}

/// The body of `PATCH /v1/campaigns/{id}`, and of `POST /v1/campaigns`, which needs `name` and `trafficstar_id`. A field
/// that is left out stays as it is; null clears an override.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CampaignPatch {
    /// Only to be sent back as it was got.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub id: Option<CampaignId>,
    /// For people.
    #[serde(deserialize_with = "values::given_name", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// Another one is a removal and an addition.
    #[serde(deserialize_with = "values::given_remote_id", skip_serializing_if = "Option::is_none")]
    pub trafficstar_id: Option<RemoteId>,
    /// Whether the campaign is guarded.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub generator_enabled: Option<bool>,
    /// `act` or `observe`; observe wins over the config.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub mode: Option<Option<Mode>>,
    /// As decimal text, above 0.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub spend_limit: Option<Option<SpendLimit>>,
    /// Must be above `pause_clicks`, the defaults included.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub activate_clicks: Option<Option<Count>>,
    /// Must be below `activate_clicks`, the defaults included.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub pause_clicks: Option<Option<Count>>,
    /// As humantime text.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub cooldown: Option<Option<Cooldown>>,
    /// The policy's word.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub high_spend: Option<Option<HighSpend>>,
    /// As decimal text. Stored and shown, without effect yet.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub price_per_thousand: Option<Option<Money>>,
    /// Must be above `activate_clicks`, the defaults included.
    #[serde(deserialize_with = "values::given_or_null", skip_serializing_if = "Option::is_none")]
    pub implausible_clicks: Option<Option<Count>>,
    /// With `generator_enabled: false` or another `trafficstar_id`: pause the campaign first. It stays guarded if that
    /// fails.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub pause: bool,
    /// With `generator_enabled: false`: let the campaign run on without a guard. Without it and without `pause`, one that runs
    /// stays guarded.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub leave_running: bool,
    /// With `generator_enabled: true`: guard the campaign although it has no active URL. No clicks remain then, so that it is
    /// paused at once where it runs.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub anyway: bool,
    /// A new campaign's first URL: it needs `target_url` and `click_limit`, and has the campaign's name where it has no other.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub url: Option<UrlPatch>,
}

impl CampaignPatch {
    /// Guard a campaign; one without an active URL only with `anyway`.
    #[must_use]
    pub fn enable(anyway: bool) -> Self {
        Self { generator_enabled: Some(true), anyway, ..Self::default() }
    }

    /// Stop guarding a campaign. One that runs is paused first, or left running; without either it stays guarded.
    #[must_use]
    pub fn disable(pause: bool, leave_running: bool) -> Self {
        Self { generator_enabled: Some(false), pause, leave_running, ..Self::default() }
    }

    /// The order that this is, if it is about the generator alone: one that is carried out without reading the row first.
    #[must_use]
    pub fn generator_alone(&self, campaign: CampaignId) -> Option<SetGenerator> {
        let enabled = self.generator_enabled?;
        let Self { id, generator_enabled, pause, leave_running, anyway, .. } = *self;
        let alone = Self { id, generator_enabled, pause, leave_running, anyway, ..Self::default() };
        let to = if enabled { Generator::Enabled { anyway } } else { Generator::Disabled { pause, leave_running } };
        (*self == alone).then_some(SetGenerator { campaign, to })
    }

    /// Whether a campaign is already as this wants it: whether each field that is given is shown alike.
    #[must_use]
    pub fn is_met_by(&self, campaign: &Campaign) -> bool {
        let wanted = Self { id: None, pause: false, leave_running: false, anyway: false, url: None, ..self.clone() };
        let Ok(Value::Object(wanted)) = serde_json::to_value(wanted) else { return false };
        let shown = serde_json::to_value(campaign).unwrap_or_default();
        wanted.iter().all(|(field, value)| shown.get(field) == Some(value))
    }
}

/// Change a campaign's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeCampaign {
    /// Which.
    pub campaign: CampaignId,
    /// How.
    pub patch: CampaignPatch,
}

/// Remove a campaign's row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoveCampaign {
    /// Which.
    pub campaign: CampaignId,
    /// Whether to pause it before it is guarded no more. Without, one that runs is not removed.
    pub pause: bool,
}

/// What is asked about the table `campaigns`.
#[derive(Debug)]
pub enum CampaignOrder {
    /// Every row.
    List(Ask<(), Vec<Campaign>>),
    /// One row.
    Show(Ask<CampaignId, Campaign>),
    /// A new row.
    Add(Ask<CampaignPatch, Campaign>),
    /// Another row in place of what it was.
    Change(Ask<ChangeCampaign, Campaign>),
    /// One row fewer; the answer is what it was.
    Remove(Ask<RemoveCampaign, Campaign>),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(json: &str) -> CampaignPatch {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    #[test]
    fn an_order_about_the_generator_alone_is_told_from_others() {
        let set = |to| Some(SetGenerator { campaign: CampaignId(1), to });
        let disabled = |pause, leave_running| set(Generator::Disabled { pause, leave_running });
        let cases = [
            (r#"{"generator_enabled": true}"#, set(Generator::Enabled { anyway: false })),
            (r#"{"generator_enabled": true, "anyway": true}"#, set(Generator::Enabled { anyway: true })),
            (r#"{"generator_enabled": false, "pause": true, "id": 1}"#, disabled(true, false)),
            (r#"{"generator_enabled": false, "leave_running": true}"#, disabled(false, true)),
            (r#"{"generator_enabled": true, "mode": null}"#, None),
            (r#"{"name": "n"}"#, None),
        ];
        for (json, order) in cases {
            assert_eq!(patch(json).generator_alone(CampaignId(1)), order, "{json}");
        }
    }

    #[test]
    fn a_patch_is_met_by_a_campaign_that_is_as_it_says_in_every_field() {
        let json = r#"{"id": 1, "name": "n", "trafficstar_id": 7, "generator_enabled": true, "mode": "act",
            "spend_limit": "2.50", "activate_clicks": 3, "pause_clicks": 2, "cooldown": "1m 30s", "high_spend": "observe",
            "price_per_thousand": null, "implausible_clicks": 9}"#;
        let campaign: Campaign = serde_json::from_str(json).unwrap();
        assert!(patch(json).is_met_by(&campaign));
        assert!(patch(r#"{"spend_limit": "2.5", "cooldown": "90s"}"#).is_met_by(&campaign), "other words, same values");
        let others = serde_json::json!({
            "name": "m", "trafficstar_id": 8, "generator_enabled": false, "mode": null, "spend_limit": "2.51",
            "activate_clicks": null, "pause_clicks": 1, "cooldown": "91s", "high_spend": null, "price_per_thousand": "0",
            "implausible_clicks": 8,
        });
        for (field, value) in others.as_object().unwrap() {
            let other = serde_json::json!({ field: value }).to_string();
            assert!(!patch(&other).is_met_by(&campaign), "{other}");
        }
    }

    #[test]
    fn a_patch_travels_with_what_was_given_and_no_more() {
        for json in ["{}", r#"{"name":"n","mode":null,"cooldown":"2m","pause":true}"#] {
            assert_eq!(serde_json::to_string(&patch(json)).unwrap(), json);
        }
    }
}
