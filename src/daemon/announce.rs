//! What the log tells people of a supervisor's life beside the actors' own lines: what it guards and what that costs, and when
//! its health changes.

use std::sync::Arc;
use std::time::Duration;

use super::check::proxy_in_words;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::health::DegradationKind;
use crate::domain::policy::Mode;
use crate::domain::status::{CampaignStatus, RemoteClientStatus};

/// How often it is looked whether there is something to tell.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The part that finds these out logs them itself.
const TOLD_BY_THEMSELVES: [DegradationKind; 2] = [DegradationKind::AnotherGuard, DegradationKind::BudgetTooSmall];

/// Tells that this supervisor guards from now on.
pub(super) fn announce(config: &Config) {
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        api = config.trafficstar.base_url,
        socket = %config.control.socket.display(),
        tick = %humantime::format_duration(config.generator.tick.to_std().unwrap_or_default()),
        "guarding"
    );
    if let Some(proxy) = proxy_in_words(config) {
        tracing::info!("{proxy}");
    }
}

/// Tells how many campaigns are guarded, and what reading them costs, once each of them was read, or a tick is over.
pub(super) async fn tell_of_campaigns(board: &Board, clock: &Clock, config: &Config) {
    let all_read = async {
        loop {
            let (_, campaigns) = board.dump_and_campaigns(clock.now());
            if guarded(&campaigns).all(|campaign| campaign.observed.status_at.is_some()) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // What was not read by then is told of without it.
    let _ = tokio::time::timeout(config.generator.tick.to_std().unwrap_or_default(), all_read).await;
    let (dump, campaigns) = board.dump_and_campaigns(clock.now());
    tracing::info!("{}", in_words(&dump.trafficstar, &campaigns));
}

fn guarded(campaigns: &[Arc<CampaignStatus>]) -> impl Iterator<Item = &CampaignStatus> {
    campaigns.iter().map(Arc::as_ref).filter(|campaign| campaign.ordered.generator_enabled)
}

fn in_words(remote: &RemoteClientStatus, campaigns: &[Arc<CampaignStatus>]) -> String {
    let count = guarded(campaigns).count();
    if count == 0 {
        return match campaigns.len() {
            0 => "there are no campaigns yet: `traffic-generator campaign add` adds one".to_owned(),
            all => format!("none of {all} campaigns is guarded: `traffic-generator enable ID` guards one"),
        };
    }
    let observed = guarded(campaigns).filter(|campaign| campaign.ordered.mode == Mode::Observe).count();
    let held = guarded(campaigns).filter(|campaign| campaign.ordered.hold.is_some()).count();
    let exceptions: Vec<String> = [(observed, "in observe mode"), (held, "on hold")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, how)| format!("{count} {how}"))
        .collect();
    let exceptions = if exceptions.is_empty() { String::new() } else { format!(" ({})", exceptions.join(", ")) };
    let noun = if count == 1 { "campaign" } else { "campaigns" };
    let cost = if guarded(campaigns).all(|campaign| campaign.observed.status_at.is_none()) {
        "TrafficStars could not be read yet".to_owned()
    } else {
        let requests = if remote.reading.requests == 1 { "request" } else { "requests" };
        format!(
            "reading them takes {} {requests} a tick of the {} a minute",
            remote.reading.requests, remote.requests_per_minute
        )
    };
    format!("guarding {count} {noun}{exceptions}: {cost}")
}

/// Tells each reason for which promises may not be kept when it comes, and when all are gone; for ever.
pub(super) async fn watch_health(board: Board, clock: Clock) {
    let mut told: Vec<DegradationKind> = Vec::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let reasons = board.health(clock.now()).reasons;
        let is_news = |kind: DegradationKind| !told.contains(&kind) && !TOLD_BY_THEMSELVES.contains(&kind);
        for degradation in reasons.iter().filter(|degradation| is_news(degradation.kind)) {
            tracing::warn!("health is degraded: {}", degradation.reason);
        }
        if reasons.is_empty() && !told.is_empty() {
            tracing::info!("health is ok again");
        }
        told = reasons.iter().map(|degradation| degradation.kind).collect();
    }
}
