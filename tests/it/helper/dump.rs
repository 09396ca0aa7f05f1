//! The dump, read as a script would read it: by the documented names of its JSON fields.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// One element of the dump's `campaigns`.
#[derive(Debug, Clone)]
pub(crate) struct Campaign(pub(crate) Value);

impl Campaign {
    pub(crate) fn find(dump: &Value, trafficstar_id: i64) -> Option<Self> {
        let campaigns = dump["campaigns"].as_array()?;
        campaigns.iter().find(|campaign| campaign["trafficstar_id"] == trafficstar_id).cloned().map(Self)
    }

    pub(crate) fn state(&self) -> String {
        self.text("/state")
    }

    /// Returns the number of ticks that the campaign's actor has completed; 0 if it has no actor.
    pub(crate) fn ticks(&self) -> u64 {
        self.0["actor"]["ticks"].as_u64().unwrap_or(0)
    }

    /// Returns the value at a JSON pointer as a text; `""` if it is missing or `null`.
    pub(crate) fn text(&self, pointer: &str) -> String {
        match self.0.pointer(pointer) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

impl fmt::Display for Campaign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

/// Returns the completed ticks of every campaign that has an actor, by TrafficStars id.
pub(super) fn ticks(dump: &Value) -> BTreeMap<i64, u64> {
    let campaigns = dump["campaigns"].as_array().into_iter().flatten();
    campaigns
        .filter(|campaign| !campaign["actor"].is_null())
        .map(|campaign| (campaign["trafficstar_id"].as_i64().unwrap(), Campaign(campaign.clone()).ticks()))
        .collect()
}
