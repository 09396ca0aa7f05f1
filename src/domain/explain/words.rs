//! Words and times as every sentence of an explanation writes them.

use chrono::{DateTime, Utc};

use crate::domain::action::ActionKind;

pub(super) fn clock(at: DateTime<Utc>) -> String {
    at.format("%H:%M:%S").to_string()
}

pub(super) fn date_and_clock(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

pub(super) const fn verb(kind: ActionKind) -> &'static str {
    match kind {
        ActionKind::Activate => "activation",
        ActionKind::Pause => "pause",
        ActionKind::SetEndTime => "end time",
    }
}
