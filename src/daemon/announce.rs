//! What is said about the supervisor as a whole. The log gets the campaigns that it guards, the requests that this takes, and
//! changes of its health. The service manager gets one line about its status. The actors log their own events.

use std::sync::Arc;
use std::time::Duration;

use super::check::proxy_in_words;
use super::service_manager::ServiceManager;
use crate::board::Board;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::health::{DegradationKind, Health};
use crate::domain::policy::Mode;
use crate::domain::remote::StatusWord;
use crate::domain::status::{CampaignStatus, LeadershipStatus, RemoteClientStatus, Role};

/// The interval at which the board is read for something to log.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The degradations that are logged elsewhere: the part that detects one logs it itself.
const LOGGED_ELSEWHERE: [DegradationKind; 2] = [DegradationKind::AnotherGuard, DegradationKind::BudgetTooSmall];

/// Logs that this supervisor guards from now on.
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

/// Logs how many campaigns are guarded, and how many requests it takes to read them. It does so when each of them was
/// read, or after a tick.
pub(super) async fn report_campaigns(board: &Board, clock: &Clock, config: &Config) {
    let all_read = async {
        loop {
            let (_, campaigns) = board.dump_and_campaigns(clock.now());
            if guarded(&campaigns).all(|campaign| campaign.observed.status_at.is_some()) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    // After a tick the line is written even if some campaigns were not read.
    let _ = tokio::time::timeout(config.generator.tick.to_std().unwrap_or_default(), all_read).await;
    let (dump, campaigns) = board.dump_and_campaigns(clock.now());
    tracing::info!("{}", in_words(&dump.trafficstar, &campaigns));
}

/// Returns the campaigns whose generators are enabled.
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
            "reading them takes {} {requests} a tick, and the limit is {} a minute",
            remote.reading.requests, remote.requests_per_minute
        )
    };
    format!("guarding {count} {noun}{exceptions}: {cost}")
}

/// Logs each reason of degraded health when it begins, and logs when all have ended. Never returns.
pub(super) async fn watch_health(board: Board, clock: Clock) {
    let mut logged: Vec<DegradationKind> = Vec::new();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let reasons = board.health(clock.now()).reasons;
        let is_news = |kind: DegradationKind| !logged.contains(&kind) && !LOGGED_ELSEWHERE.contains(&kind);
        for degradation in reasons.iter().filter(|degradation| is_news(degradation.kind)) {
            tracing::warn!("health is degraded: {}", degradation.reason);
        }
        if reasons.is_empty() && !logged.is_empty() {
            tracing::info!("health is ok again");
        }
        logged = reasons.iter().map(|degradation| degradation.kind).collect();
    }
}

/// Tells the service manager what this supervisor does, at the beginning and at each change. Never returns.
pub(super) async fn report_status(board: Board, clock: Clock, service_manager: ServiceManager) {
    let mut told = String::new();
    loop {
        let now = clock.now();
        let (dump, campaigns) = board.dump_and_campaigns(now);
        let status = status_in_words(&dump.leadership, &campaigns, &board.health(now));
        if status != told {
            service_manager.status(&status);
            told = status;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn status_in_words(leadership: &LeadershipStatus, campaigns: &[Arc<CampaignStatus>], health: &Health) -> String {
    let does = match leadership.role {
        Role::Leader => {
            let count = guarded(campaigns).count();
            let noun = if count == 1 { "campaign" } else { "campaigns" };
            let counted = |word: StatusWord| {
                let found = guarded(campaigns)
                    .filter(|campaign| campaign.observed.status.unwrap_or(StatusWord::Unknown) == word);
                found.count()
            };
            let (running, unknown) = (counted(StatusWord::Running), counted(StatusWord::Unknown));
            let unknown = if unknown == 0 { String::new() } else { format!(", {unknown} unknown") };
            format!("guarding {count} {noun}, {running} running{unknown}")
        }
        Role::Standby => match &leadership.leader {
            Some(leader) => format!("standing by: the supervisor on {} leads", leader.host),
            None => "standing by: no supervisor leads".to_owned(),
        },
        Role::CutOff => "cut off: the lease could not be renewed, so nothing is sent".to_owned(),
    };
    match health.reasons.as_slice() {
        [] => format!("{does}; health ok"),
        [degradation] => format!("{does}; degraded: {}", degradation.reason),
        [degradation, others @ ..] => format!("{does}; degraded: {} (and {} more)", degradation.reason, others.len()),
    }
}
