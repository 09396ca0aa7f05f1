//! The campaign that an argument names: by its database id, its name, or its id at TrafficStars, `ts:1001`.
//!
//! An id is sent as it is. The list of campaigns is read for a name, and for an id that the supervisor does not know.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::error::{CommandError, TargetError};
use crate::config;
use crate::control::Campaign;
use crate::control::client::{Client, ClientError};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::status::CampaignStatus;

/// A campaign as the operator names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// A plain number: the database id.
    Id(CampaignId),
    /// The id at TrafficStars: `ts:1001`.
    Remote(RemoteId),
    /// The name: any other text.
    Name(String),
}

/// The prefix of an id at TrafficStars.
pub(super) const REMOTE: &str = "ts:";

/// A text that cannot name a campaign.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("\"{0}\" is not a campaign: give its id, its name, or `ts:` and its id at TrafficStars")]
pub(super) struct NotATarget(String);

/// The ids and the name of a campaign, for comparing with a [`Target`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'n> {
    id: CampaignId,
    name: &'n str,
    remote: RemoteId,
}

impl<'n> From<&'n Campaign> for Known<'n> {
    fn from(Campaign { id, name, trafficstar_id, .. }: &'n Campaign) -> Self {
        Self { id: *id, name, remote: *trafficstar_id }
    }
}

impl<'n> From<&'n CampaignStatus> for Known<'n> {
    fn from(CampaignStatus { id, name, trafficstar_id, .. }: &'n CampaignStatus) -> Self {
        Self { id: *id, name, remote: *trafficstar_id }
    }
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Self, NotATarget> {
        let trimmed = text.trim();
        let remote = trimmed.strip_prefix(REMOTE).and_then(|id| id.parse().ok());
        match (trimmed.parse(), remote) {
            // `007` is a name: an order for it must not reach campaign 7.
            (Ok(id), _) if id >= 0 && CampaignId(id).to_string() == trimmed => Ok(Self::Id(CampaignId(id))),
            (Err(_), Some(id)) => Ok(Self::Remote(RemoteId(id))),
            (Err(_), None) if !trimmed.is_empty() => Ok(Self::Name(trimmed.to_owned())),
            (Ok(0..), _) => Ok(Self::Name(trimmed.to_owned())),
            (Ok(_) | Err(_), _) => Err(NotATarget(text.to_owned())),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Remote(id) => write!(f, "{REMOTE}{id}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Target {
    /// Sends a request about this campaign to the supervisor.
    pub(super) async fn ask<T>(
        &self,
        client: &Client,
        question: impl AsyncFn(CampaignId) -> Result<T, ClientError>,
    ) -> Result<T, CommandError> {
        if let Self::Id(id) = self {
            match question(*id).await {
                Err(error) if error.is_not_found() => {}
                answer => return Ok(answer?),
            }
        }
        let campaigns = client.campaigns().await?;
        let id = self.among(campaigns.iter().map(Known::from))?;
        Ok(question(id).await?)
    }

    /// Returns the id of the one campaign that this names.
    pub(super) fn among<'n>(
        &self,
        campaigns: impl Iterator<Item = Known<'n>> + Clone,
    ) -> Result<CampaignId, TargetError> {
        let called = |is_called: &dyn Fn(&str) -> bool| {
            campaigns.clone().filter(|known| is_called(known.name)).collect::<Vec<_>>()
        };
        let by = |is_it: &dyn Fn(&Known<'n>) -> bool| campaigns.clone().find(is_it);
        let text = self.to_string();
        let found = match self {
            Self::Id(id) if by(&|known| known.id == *id).is_some() => return Ok(*id),
            Self::Remote(remote) => by(&|known| known.remote == *remote).into_iter().collect(),
            // A number is always an id: if that campaign is gone, an order for it must not reach another one.
            Self::Id(_) => Vec::new(),
            Self::Name(_) => {
                let exact = called(&|name| name == text);
                let lower = text.to_lowercase();
                if exact.is_empty() { called(&|name| name.to_lowercase() == lower) } else { exact }
            }
        };
        match (found.as_slice(), self) {
            ([one], _) => Ok(one.id),
            ([], Self::Id(id)) => Err(match by(&|known| known.remote.0 == id.0) {
                Some(Known { id: row, name, .. }) => TargetError::OnlyThere(*id, row, name.to_owned()),
                None => TargetError::NoSuchId(*id),
            }),
            ([], Self::Name(_)) => Err(match config::suggestion(&text, campaigns.clone().map(|known| known.name)) {
                Some(near) => TargetError::Near(text, names(&called(&|name| name == near))),
                None => TargetError::Unknown(text),
            }),
            ([], Self::Remote(_)) => Err(TargetError::Unknown(text)),
            (several, _) => {
                let found = several.iter().map(|one| (one.id, one.remote)).collect();
                Err(TargetError::Several { text, found })
            }
        }
    }
}

/// Returns a text like `shoes (1) or shoes (3)`.
fn names(campaigns: &[Known<'_>]) -> String {
    campaigns.iter().map(|known| format!("{} ({})", known.name, known.id)).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROWS: [(i64, &str, i64); 7] = [
        (1, "shoes", 1001),
        (2, "Garden tools", 1002),
        (3, "shoes", 1003),
        (4, "SALE", 1004),
        (5, "sale", 1005),
        (6, "1006", 1007),
        (7, "0007", 1008),
    ];

    fn meant(text: &str) -> Result<i64, String> {
        let target: Target = text.parse().map_err(|error: NotATarget| error.to_string())?;
        let rows = ROWS.iter().map(|(id, name, remote)| Known { id: CampaignId(*id), name, remote: RemoteId(*remote) });
        target.among(rows).map(|id| id.0).map_err(|error| error.to_string())
    }

    #[test]
    fn an_id_a_name_or_ts_and_the_id_at_trafficstars_name_a_campaign() {
        let cases = [("1", 1), (" 2 ", 2), ("garden tools", 2), ("sale", 5), ("SALE", 4), ("ts:1003", 3), ("0007", 7)];
        for (text, id) in cases {
            assert_eq!(meant(text), Ok(id), "{text:?}");
        }
    }

    #[test]
    fn an_unknown_or_ambiguous_campaign_is_refused_with_suggestions() {
        let cases = [
            ("shoes", "shoes names 2 campaigns: 1 (TrafficStars 1001) and 3 (1003); give one of these ids"),
            ("Sale", "Sale names 2 campaigns: 4 (TrafficStars 1004) and 5 (1005); give one of these ids"),
            ("1001", "there is no campaign 1001; ts:1001 is campaign 1 (shoes)"),
            ("99", "there is no campaign 99"),
            ("1006", "there is no campaign 1006"),
            ("shose", "there is no campaign shose: did you mean shoes (1) or shoes (3)?"),
            ("Garden", "there is no campaign Garden: did you mean Garden tools (2)?"),
            ("x", "there is no campaign x: `traffic-generator campaign list` shows all"),
            ("ts:9", "there is no campaign ts:9: `traffic-generator campaign list` shows all"),
            ("ts:shoes", "there is no campaign ts:shoes: `traffic-generator campaign list` shows all"),
        ];
        for (text, said) in cases {
            assert_eq!(meant(text), Err(said.to_owned()));
        }
        for text in ["", " ", "-1"] {
            let said = "is not a campaign: give its id, its name, or `ts:` and its id at TrafficStars";
            assert_eq!(meant(text), Err(format!("\"{text}\" {said}")));
        }
    }
}
