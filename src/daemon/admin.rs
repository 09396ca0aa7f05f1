//! Orders about the process itself: carried out by the daemon, whichever way they come.

use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use super::order_router::OrderRouter;
use crate::config::{Config, LogFilter, process_environment};
use crate::control::{AdminOrder, LogFilterSetting, Refusal, ReloadBody, Reloaded, Stopping};
use crate::error_chain::in_full;
use crate::telemetry::LogControl;

/// Whoever carries them out.
pub(super) struct Admin {
    /// What is in force now.
    config: Config,
    /// None where the program that this runs in logs in its own way.
    log: Option<LogControl>,
    router: OrderRouter,
}

impl Admin {
    pub(super) const fn new(config: Config, log: Option<LogControl>, router: OrderRouter) -> Self {
        Self { config, log, router }
    }

    /// Carries out what comes, one after the other; returns when the end is ordered.
    pub(super) async fn serve(mut self, mut operations: mpsc::Receiver<AdminOrder>, mut hang_up: Signal) {
        loop {
            // Without a control server there are still signals.
            let operation = tokio::select! {
                Some(operation) = operations.recv() => operation,
                Some(()) = hang_up.recv() => {
                    // The log says how it went: whoever sends a signal reads that.
                    let _ = self.reload(ReloadBody::default()).await;
                    continue;
                }
                else => std::future::pending().await,
            };
            // Whoever asked may be gone.
            match operation {
                AdminOrder::Reload(ask) => {
                    let _ = ask.reply.send(self.reload(ask.question).await);
                }
                AdminOrder::SetLogFilter(ask) => {
                    let _ = ask.reply.send(self.set_log_filter(ask.question));
                }
                AdminOrder::Shutdown(ask) => {
                    let _ = ask.reply.send(Ok(Stopping { pid: std::process::id() }));
                    return;
                }
            }
        }
    }

    async fn reload(&mut self, ReloadBody { accept }: ReloadBody) -> Result<Reloaded, Refusal> {
        let file = self.config.file.clone();
        let load = move || Config::load(Some(&file), &process_environment());
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded = loaded.map_err(|died| Refusal::Failed(format!("the config could not be read: {died}")))?;
        let fresh = loaded.map_err(|errors| not_reloaded(&errors.lines().collect::<Vec<_>>()))?;
        if let Some(log) = &self.log {
            // What `log-filter` set since is over.
            self.config.log.filter = log.filter();
        }
        let changes = self.config.changes_to(&fresh);
        if !accept && changes.may_be_cut_off() {
            return Err(not_reloaded(&[format!(
                "{}: no longer in the config, which may have been cut off: put it back, or accept its default by \
                 `traffic-generator reload --accept`",
                changes.vanished.join(", ")
            )]));
        }
        self.router.set_defaults(fresh.generator.clone()).await;
        if let Some(log) = &self.log {
            log.set_filter(&fresh.log.filter).map_err(|error| Refusal::Failed(in_full(&error)))?;
        }
        let warnings = fresh.all_warnings(&process_environment());
        self.config.take_over(fresh);
        let named = |keys: Vec<&'static str>| keys.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let reloaded =
            Reloaded { applied: named(changes.at_run_time), needs_restart: named(changes.needs_restart), warnings };
        for warning in &reloaded.warnings {
            tracing::warn!("{warning}");
        }
        let (applied, needs_restart) = (reloaded.applied.join(", "), reloaded.needs_restart.join(", "));
        tracing::info!(applied, needs_restart, "the config was reloaded");
        Ok(reloaded)
    }

    fn set_log_filter(&self, LogFilterSetting { filter }: LogFilterSetting) -> Result<LogFilterSetting, Refusal> {
        let bad = |problem| Refusal::BadField { field: "filter", problem };
        let filter: LogFilter =
            filter.parse().map_err(|error: crate::config::LogFilterError| bad(error.to_string()))?;
        let Some(log) = &self.log else {
            return Err(Refusal::NotNow("the program that this supervisor runs in logs in its own way".to_owned()));
        };
        tracing::info!("log filter is now \"{}\"", filter.as_str());
        log.set_filter(&filter).map_err(|error| Refusal::Failed(in_full(&error)))?;
        Ok(LogFilterSetting { filter: filter.as_str().to_owned() })
    }
}

/// Nothing has changed. The log says why, too, since a signal has no answer.
fn not_reloaded(problems: &[String]) -> Refusal {
    for problem in problems {
        tracing::error!("the config is not reloaded: {problem}");
    }
    Refusal::BadConfig(problems.join("; "))
}
