//! Campaigns' URLs in the API. What `GET` answers can be sent back by `PATCH`.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Ask;
use super::values::{self, Count};
use crate::domain::ids::{CampaignId, UrlId};
use crate::domain::policy::UnknownWord;

/// A row of `urls`, as stored: a tracker may have written numbers below zero, or a word of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Url {
    /// The row's key.
    pub id: UrlId,
    /// Whose it is.
    pub campaign_id: CampaignId,
    /// Its name.
    pub name: String,
    /// Where visitors are sent.
    pub target_url: String,
    /// So many clicks are wanted.
    pub click_limit: i64,
    /// So many were counted.
    pub clicks: i64,
    /// `active`, or another word, with which its clicks do not count as remaining.
    pub status: String,
}

/// What is meant to become of a URL. Only the clicks of an active one remain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum UrlStatus {
    /// It takes clicks.
    Active,
    /// Not for now.
    Paused,
    /// It has got what was wanted.
    Completed,
    /// Not any more.
    Deleted,
    /// It must not.
    Rejected,
}

impl UrlStatus {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Active, Self::Paused, Self::Completed, Self::Deleted, Self::Rejected];

    /// The word for it, as stored.
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
    /// Only to be sent back as it was got.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub id: Option<UrlId>,
    /// Only to be sent back as it was got: a URL stays with its campaign.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<CampaignId>,
    /// For people.
    #[serde(deserialize_with = "values::given_name", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 200)]
    pub name: Option<String>,
    /// Where visitors are sent: http or https.
    #[serde(deserialize_with = "values::given_target_url", skip_serializing_if = "Option::is_none")]
    pub target_url: Option<String>,
    /// So many clicks are wanted.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub click_limit: Option<Count>,
    /// So many are to count as counted. What the tracker counts at the same moment is overwritten.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub clicks: Option<Count>,
    /// The status word.
    #[serde(deserialize_with = "values::given", skip_serializing_if = "Option::is_none")]
    pub status: Option<UrlStatus>,
}

/// Add a URL to a campaign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddUrl {
    /// Whose it will be.
    pub campaign: CampaignId,
    /// What it is.
    pub patch: UrlPatch,
}

/// Change a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeUrl {
    /// Which.
    pub url: UrlId,
    /// How.
    pub patch: UrlPatch,
}

/// What is asked about the table `urls`.
#[derive(Debug)]
pub enum UrlOrder {
    /// Every URL of a campaign.
    List(Ask<CampaignId, Vec<Url>>),
    /// A new row.
    Add(Ask<AddUrl, Url>),
    /// Another row in place of what it was.
    Change(Ask<ChangeUrl, Url>),
    /// One row fewer; the answer is what it was.
    Remove(Ask<UrlId, Url>),
}
