//! The status words: which of them a campaign has, and which of them prevent a run.

use super::spec::CampaignSpec;

pub(super) const SWITCHED_ON: &str = "enabled";
pub(super) const SWITCHED_OFF: &str = "paused";
const NO_FUNDS_ON: &str = "no_funds_active";
const NO_FUNDS_OFF: &str = "no_funds_paused";
/// The value of `stopped` for a campaign that is switched on and out of funds.
pub(super) const NO_FUNDS: &str = "no_funds";
/// The words by which a run is refused. The two words of a campaign without funds are not among them: its runs succeed.
const REFUSING: [&str; 6] = ["unapproved", "pending", "rejected", "draft", "archived", "total_budget_is_reached"];

impl CampaignSpec {
    /// Whether the campaign is out of funds, by the field or by the word.
    pub(super) fn is_unfunded(&self) -> bool {
        self.no_funds || [NO_FUNDS_ON, NO_FUNDS_OFF].contains(&self.status.as_str())
    }

    /// Whether a run is answered under `failed`.
    pub(super) fn refuses_runs(&self) -> bool {
        self.archived || self.approved != "approved" || REFUSING.contains(&self.status.as_str())
    }

    /// Whether the campaign is blocked, so that a run has no effect.
    pub(super) fn is_blocked(&self) -> bool {
        self.is_unfunded() || self.refuses_runs()
    }

    /// Sets the word that fits `active` and the funds. A word that says why the campaign cannot run stays.
    pub(crate) fn set_word(&mut self, is_unfunded: bool) {
        if !self.refuses_runs() {
            let word = match (is_unfunded, self.active) {
                (false, true) => SWITCHED_ON,
                (false, false) => SWITCHED_OFF,
                (true, true) => NO_FUNDS_ON,
                (true, false) => NO_FUNDS_OFF,
            };
            word.clone_into(&mut self.status);
        }
    }

    /// Replaces `enabled` and `paused` of a campaign without funds by the words for that. Other words stay as the test
    /// has set them.
    pub(super) fn mend_word(&mut self) {
        if self.no_funds && [SWITCHED_ON, SWITCHED_OFF].contains(&self.status.as_str()) {
            self.set_word(true);
        }
    }
}
