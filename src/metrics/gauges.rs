//! The gauges, computed from the published state: the supervisor, the campaigns as a whole, and the requests.

use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::published::Published;
use crate::domain::health::HealthWord;
use crate::domain::lease::Epoch;
use crate::domain::phase::PhaseWord;
use crate::domain::status::{CampaignStatus, Dump, Liveness, Role};

type Label = [(&'static str, &'static str); 1];

/// Registers all gauges.
pub(super) fn register(registry: &mut Registry, published: &Published<'_>) {
    register_supervisor(registry, published);
    register_work(registry, published);
    register_campaigns(registry, &published.dump.campaigns);
    register_requests(registry, published.dump);
}

fn gauge(value: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
    gauge
}

fn gauges(label: &'static str, values: impl IntoIterator<Item = (&'static str, u64)>) -> Family<Label, Gauge> {
    let family = Family::<Label, Gauge>::default();
    for (word, value) in values {
        family.get_or_create(&[(label, word)]).set(i64::try_from(value).unwrap_or(i64::MAX));
    }
    family
}

fn register_supervisor(registry: &mut Registry, published: &Published<'_>) {
    let Published { dump, health, .. } = *published;
    let build = vec![("version", dump.program.clone()), ("database", dump.database.kind.clone())];
    registry.register("build", "The program's version, and the kind of its database", Info::new(build));
    let help = "How long the supervisor has been running";
    registry.register_with_unit("uptime", help, Unit::Seconds, gauge(dump.uptime_seconds));
    let degraded = u64::from(health.status == HealthWord::Degraded);
    registry.register("degraded", "1 while the health is degraded: some promise may not be kept", gauge(degraded));
    let leads = u64::from(dump.leadership.role == Role::Leader);
    registry.register("leader", "1 while this supervisor leads", gauge(leads));
    let epoch = dump.leadership.epoch.and_then(|Epoch(epoch)| u64::try_from(epoch).ok()).unwrap_or(0);
    registry.register("epoch", "The number of the present leadership, or of the last one that was seen", gauge(epoch));
}

/// Registers how well the guard keeps up: the age of the oldest reading, pauses that are not confirmed, and journal
/// records that are not stored.
fn register_work(registry: &mut Registry, published: &Published<'_>) {
    let now = published.dump.captured_at;
    let age_seconds = |since| u64::try_from(now.signed_duration_since(since).num_seconds()).unwrap_or(0);
    let sweep_age = gauge(published.oldest_reading.map_or(0, age_seconds));
    let help = "Age of the oldest last reading among the guarded campaigns; 0 if no campaign is guarded";
    registry.register_with_unit("sweep_age", help, Unit::Seconds, sweep_age);
    let stop_pending = gauge(published.stopping_since.map_or(0, age_seconds));
    let help = "How long ago the oldest unconfirmed pause was first decided; 0 if there is none";
    registry.register_with_unit("stop_pending", help, Unit::Seconds, stop_pending);
    let backlog = gauge(published.journal_backlog);
    registry.register("journal_backlog", "Journal records that wait to be stored in the database", backlog);
}

fn register_campaigns(registry: &mut Registry, campaigns: &[CampaignStatus]) {
    let count = |is: &dyn Fn(&CampaignStatus) -> bool| {
        campaigns.iter().filter(|campaign| campaign.actor.is_some() && is(campaign)).count() as u64
    };
    let states = PhaseWord::ALL.map(|state| (state.as_str(), count(&|campaign| campaign.state == state)));
    registry.register("campaigns", "Guarded campaigns, by state", gauges("state", states));
    let disabled = campaigns.iter().filter(|campaign| campaign.actor.is_none()).count() as u64;
    registry.register("campaigns_disabled", "Campaigns whose generator is disabled", gauge(disabled));
    let restarting =
        |campaign: &CampaignStatus| campaign.actor.as_ref().is_some_and(|actor| actor.status == Liveness::Restarting);
    let flags = [
        ("high_spend", count(&|campaign| campaign.high_spend)),
        ("contested", count(&|campaign| campaign.contested)),
        ("unguarded", count(&|campaign| campaign.unguarded)),
        ("blocked", count(&|campaign| campaign.blocked.is_some())),
        ("restarting", count(&restarting)),
    ];
    registry.register("campaigns_flagged", "Guarded campaigns with a flag", gauges("flag", flags));
}

fn register_requests(registry: &mut Registry, dump: &Dump) {
    let remote = &dump.trafficstar;
    let waiting = gauges("class", remote.queue.classes());
    registry.register("requests_waiting", "Requests that wait for their turn, by class", waiting);
    let used = gauge(remote.requests_last_minute);
    registry.register("requests_last_minute", "Requests that count against the request limit now", used);
    let open = remote.circuits.iter().filter(|circuit| circuit.since.is_some()).count() as u64;
    registry.register(
        "circuits_open",
        "Operations of TrafficStars that failed repeatedly and get only probe requests",
        gauge(open),
    );
    let help = "Number of requests that reading every campaign once takes";
    registry.register("reading_requests", help, gauge(remote.reading.requests));
    let help = "Time within which every campaign is read";
    registry.register_with_unit("reading_within", help, Unit::Seconds, gauge(remote.reading.within_seconds));
    let limit = gauge(u64::from(remote.requests_per_minute));
    registry.register("requests_per_minute_limit", "The configured limit of requests per minute", limit);
}
