//! The day's budget of a campaign under the policy `top-up`, as operators see it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::budget::{BudgetChange, DayBudget, PaidUrl, TopUpRefusal};
use super::money::Money;
use super::policy::PolicyNumbers;

/// The day's budget.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BudgetStatus {
    /// The budget with which each day begins; `None` if the budget stays as it is at midnight.
    pub daily_budget: Option<Money>,
    /// Whether today has begun with that budget.
    pub is_set_back: bool,
    /// The most that a day may cost; `None` if it is not set, so that no top-up is sent.
    pub ceiling: Option<Money>,
    /// The end (UTC) of the wait before the first top-up; `None` before the limit is reached, and after the first
    /// top-up.
    pub waits_until: Option<DateTime<Utc>>,
    /// The URLs that are paid for, each with the number of clicks. Empty before the first top-up.
    pub counted: Vec<PaidUrl>,
    /// The URLs that came later and are not paid for, each with the number of clicks.
    pub gathered: Vec<PaidUrl>,
    /// The time (UTC) when these are paid for.
    pub gathering_until: Option<DateTime<Utc>>,
    /// The last change of the budget today, with the parts of its sum.
    pub last_change: Option<BudgetChange>,
    /// The reason why no top-up is sent; `None` if nothing prevents one.
    pub refused: Option<String>,
}

impl BudgetStatus {
    /// Returns the status by what is remembered of the day.
    #[must_use]
    pub fn new(
        policy: &PolicyNumbers,
        day: Option<&DayBudget>,
        last_change: Option<BudgetChange>,
        refused: Option<&TopUpRefusal>,
    ) -> Self {
        let counted = day.and_then(|day| day.counted.as_ref());
        let is_counted = counted.is_some();
        let counted = counted.into_iter().flatten().map(|(url, clicks)| PaidUrl { url: *url, clicks: *clicks });
        Self {
            daily_budget: policy.daily_budget,
            is_set_back: day.is_some_and(|day| day.is_set_back),
            ceiling: policy.top_up_ceiling,
            waits_until: day.and_then(|day| day.wait).filter(|_| !is_counted).map(|wait| wait.until),
            counted: counted.collect(),
            gathered: day.map(DayBudget::unpaid).unwrap_or_default(),
            gathering_until: day.and_then(|day| day.gathering.as_ref()).map(|gathering| gathering.until),
            last_change,
            refused: refused.map(ToString::to_string),
        }
    }
}
