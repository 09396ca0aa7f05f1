//! Spend limits that several campaigns share: a group's, and the account's (RULES.md, "Groups and account").
//!
//! The sums are made of stored spends, so that they cost no request. Deliberately absent: reading them (`store`), and
//! what follows from a limit that is reached (`decision`).

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::money::Money;
use super::observation::{Observation, SpendSum};
use super::policy::{HighSpend, PolicyNumbers, SharedLimit};

/// The sum of today's spends under one shared limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SharedSpend {
    /// The group; `None` for all campaigns of the account.
    pub group: Option<String>,
    /// The limit.
    pub spend_limit: Money,
    /// What the guard does when it is reached.
    pub high_spend: HighSpend,
    /// The sum of today's spends.
    pub spend: Money,
    /// The number of campaigns that share the limit.
    pub campaigns: u64,
    /// The number of those whose spend is unknown. Each counts with its last known value of today.
    pub unknown: u64,
    /// The sum of the spends as they were stored before this tick.
    #[serde(skip)]
    pub stored: Money,
}

/// A shared limit is reached, or is near. The program reports that once for each day and limit.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedLimitReport {
    /// The UTC day.
    pub day: NaiveDate,
    /// The group; `None` for all campaigns of the account.
    pub group: Option<String>,
    /// The limit.
    pub limit: Money,
    /// Whether it is reached. Otherwise the sum has reached the part of it from which on it is reported (`warn_at`).
    pub is_reached: bool,
}

impl SharedSpend {
    /// Whether the sum has reached the limit.
    #[must_use]
    pub fn is_reached(&self) -> bool {
        self.spend >= self.spend_limit
    }

    /// Returns the campaigns that share the limit, in words.
    #[must_use]
    pub fn sharers(&self) -> String {
        sharers(self.group.as_deref())
    }

    /// Returns the sum, the limit and its policy, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let Self { spend_limit, high_spend, spend, campaigns, unknown, .. } = self;
        let sharers = self.sharers();
        let campaigns = if *campaigns == 1 { "1 campaign".to_owned() } else { format!("{campaigns} campaigns") };
        let doubt = match unknown {
            0 => String::new(),
            unknown => format!(", the spend of {unknown} is not known now"),
        };
        format!("{spend} of {spend_limit} by {sharers} ({campaigns}{doubt}); at the limit: {high_spend}")
    }
}

impl fmt::Display for SharedSpend {
    /// Writes the sum, and how much of it is in doubt.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.spend)?;
        match self.unknown {
            0 => Ok(()),
            unknown => write!(f, "; the spend of {unknown} of {} campaigns is not known now", self.campaigns),
        }
    }
}

/// Returns the campaigns that share a group's or the account's limit, in words.
#[must_use]
pub fn sharers(group: Option<&str>) -> String {
    group.map_or_else(|| "the account".to_owned(), |name| format!("the group {name}"))
}

/// Returns the sums under the limits that a campaign shares with others, the group's first; `None` if it shares limits
/// and the spends of today were never read.
#[must_use]
pub fn shared_spends(
    observation: &Observation,
    policy: &PolicyNumbers,
    now: DateTime<Utc>,
) -> Option<Vec<SharedSpend>> {
    let today = now.date_naive();
    let Some(others) = observation.shared.filter(|shared| shared.day == today) else {
        return policy.shared_limits().next().is_none().then(Vec::new);
    };
    let known = observation.spend.as_ref().ok().filter(|spend| spend.day == today).map(|spend| spend.amount);
    let stored = observation.stored_spend.unwrap_or(others.own);
    let plus = |others: SpendSum, own: Money| others.amount.checked_add(own).unwrap_or(others.amount);
    let sum = |group: Option<&str>, limit: SharedLimit, others: SpendSum| SharedSpend {
        group: group.map(str::to_owned),
        spend_limit: limit.spend_limit,
        high_spend: limit.high_spend,
        spend: plus(others, known.unwrap_or(stored)),
        campaigns: others.campaigns.saturating_add(1),
        unknown: others.unknown.saturating_add(u64::from(known.is_none())),
        stored: plus(others, stored),
    };
    let of_group = policy.groups.iter().filter_map(|group| Some(sum(Some(&group.name), group.limit?, others.group)));
    let of_account = policy.account_limit.map(|limit| sum(None, limit, others.account));
    Some(of_group.chain(of_account).collect())
}
