//! The metrics of single campaigns. They are many, so `[metrics] per_campaign` switches them on.

use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::domain::money::Money;
use crate::domain::status::Dump;

type Labels = Vec<(&'static str, String)>;
type AmountFamily = Family<Labels, Gauge<f64, AtomicU64>>;

/// Registers the metrics of the guarded campaigns. A value that is unknown has no sample.
pub(super) fn register(registry: &mut Registry, dump: &Dump) {
    let today = dump.captured_at.date_naive();
    let (spends, limits) = (AmountFamily::default(), AmountFamily::default());
    let (clicks, states) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
    for campaign in dump.campaigns.iter().filter(|campaign| campaign.actor.is_some()) {
        let labels = || vec![("campaign", campaign.id.0.to_string()), ("name", campaign.name.clone())];
        let observed = &campaign.observed;
        if let Some(spend) = observed.spend_on(today) {
            spends.get_or_create(&labels()).set(units(spend));
        }
        if let Some(limits_in_force) = &campaign.limits {
            limits.get_or_create(&labels()).set(units(limits_in_force.spend));
        }
        if let Some(remaining) = observed.remaining_clicks {
            clicks.get_or_create(&labels()).set(i64::try_from(remaining.0).unwrap_or(i64::MAX));
        }
        let mut labels = labels();
        labels.push(("state", campaign.state.as_str().to_owned()));
        states.get_or_create(&labels).set(1);
    }
    registry.register("campaign_spend", "Today's spend, in the account's currency", spends);
    registry.register("campaign_spend_limit", "The spend from which `high_spend` decides", limits);
    registry.register("campaign_remaining_clicks", "The remaining clicks of the campaign's active URLs", clicks);
    registry.register("campaign_state", "1 for the state that the campaign is in", states);
}

/// Prometheus stores every value as a float.
fn units(amount: Money) -> f64 {
    amount.micros() as f64 / Money::MICROS_PER_UNIT as f64
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Duration};

    use crate::board::Board;
    use crate::domain::machine::Machine;
    use crate::domain::policy::PolicyNumbers;

    #[test]
    fn a_spend_is_shown_on_its_own_day_only() {
        let noon = DateTime::UNIX_EPOCH + Duration::hours(12);
        let board = Board::new(noon);
        let status = serde_json::json!({
            "id": 1, "name": "shoes", "trafficstar_id": 1001, "state": "idle", "since": noon,
            "high_spend": false, "contested": false, "unguarded": false,
            "ordered": {"generator_enabled": true, "mode": "act"},
            "observed": {"spend": "1.25", "spend_day": noon.date_naive()},
            "actor": {"status": "running", "incarnation": 1, "restarts": 0, "ticks": 0, "skipped_ticks": 0},
        });
        let policy = PolicyNumbers::default().validate().unwrap();
        let snapshot = Machine::new(noon, &policy, None, None).snapshot(noon, &policy);
        board.publish_guarded(serde_json::from_value(status).unwrap(), snapshot);
        for (now, shown) in [(noon, true), (noon + Duration::days(1), false)] {
            let text = board.metrics_text(now, true);
            assert_eq!(text.contains("traffic_generator_campaign_spend{"), shown, "{now}: {text}");
        }
    }
}
