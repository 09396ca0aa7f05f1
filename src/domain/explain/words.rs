//! Words that several sentences of an explanation use.

use crate::domain::action::ActionKind;

pub(super) const fn verb(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Activate => "activation",
        ActionKind::Pause => "pause",
        ActionKind::SetEndTime => "end time",
        ActionKind::TopUp => "top-up",
        ActionKind::DailyBudget => "first budget of the day",
    }
}
