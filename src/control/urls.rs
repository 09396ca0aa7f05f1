//! URLs of campaigns in the API. `PATCH` accepts what `GET` answers.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Ask;
use super::values::{self, Count};
use crate::domain::ids::{CampaignId, UrlId};
use crate::domain::policy::UnknownWord;

/// A row of `urls`, as stored: a tracker may have written negative numbers, or a status that the guard does not know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Url {
    /// The URL's database id.
    pub id: UrlId,
    /// The database id of the URL's campaign.
    pub campaign_id: CampaignId,
    /// The URL's name.
    pub name: String,
    /// The address to which visitors are sent.
    pub target_url: String,
    /// The number of clicks that the URL is to receive.
    pub click_limit: i64,
    /// The number of clicks that were counted.
    pub clicks: i64,
    /// The URL's status. Only the clicks of an `active` URL count as remaining.
    pub status: String,
}

/// A URL's status. Only the clicks of an active URL count as remaining.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UrlStatus {
    /// The URL receives clicks.
    Active,
    /// The URL receives no clicks at present.
    Paused,
    /// The URL has received its clicks.
    Completed,
    /// The URL is no longer used.
    Deleted,
    /// The URL was not allowed.
    Rejected,
}

impl UrlStatus {
    /// Every status.
    pub const ALL: [Self; 5] = [Self::Active, Self::Paused, Self::Completed, Self::Deleted, Self::Rejected];

    /// Returns the word for the status, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Deleted => "deleted",
            Self::Rejected => "rejected",
        }
    }
}

impl FromStr for UrlStatus {
    type Err = UnknownWord;

    fn from_str(word: &str) -> Result<Self, UnknownWord> {
        let known = Self::ALL.into_iter().find(|status| status.as_str() == word);
        known.ok_or_else(|| UnknownWord::new(word, "active, paused, completed, deleted, rejected"))
    }
}

/// The body of `PATCH /v1/urls/{id}`, and of `POST /v1/campaigns/{id}/urls`, which needs `name`, `target_url` and
/// `click_limit`. A field that is left out stays as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct UrlPatch {
    /// The URL's database id. It cannot be changed: it may only be sent back as it was received.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub id: Option<UrlId>,
    /// The database id of the URL's campaign. It cannot be changed: it may only be sent back as it was received.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// The URL's name.
    #[serde(deserialize_with = "values::given_name", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// The address to which visitors are sent: http or https.
    #[serde(deserialize_with = "values::given_target_url", skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
    /// The number of clicks that the URL is to receive.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub click_limit: Option<Count>,
    /// The number of counted clicks. This overwrites clicks that a tracker counts at the same moment.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub clicks: Option<Count>,
    /// The URL's status.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub status: Option<UrlStatus>,
}

/// Add a URL to a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddUrl {
    /// The campaign's database id.
    pub campaign: CampaignId,
    /// The fields of the new URL.
    pub patch: UrlPatch,
}

/// Change a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeUrl {
    /// The URL's database id.
    pub url: UrlId,
    /// The fields to change.
    pub patch: UrlPatch,
}

/// A question or an order about the table `urls`.
#[derive(Debug)]
pub enum UrlOrder {
    /// Read every URL of a campaign.
    List(Ask<CampaignId, Vec<Url>>),
    /// Add a row.
    Add(Ask<AddUrl, Url>),
    /// Change a row. The answer is the changed row.
    Change(Ask<ChangeUrl, Url>),
    /// Remove a row. The answer is the removed row.
    Remove(Ask<UrlId, Url>),
}
