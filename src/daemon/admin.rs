//! `reload`, `log-filter` and `shutdown`: orders about the process itself, by command, by API or by signal.

use tokio::signal::unix::Signal;
use tokio::sync::mpsc;

use super::alerting::receivers_of;
use super::order_router::OrderRouter;
use crate::actors::answers::send_reply;
use crate::config::{Config, LogFilter, process_environment};
use crate::control::{AdminOrder, LogFilterSetting, Refusal, ReloadBody, Reloaded, Stopping};
use crate::error_chain::in_full;
use crate::telemetry::LogControl;

/// Carries out the orders about the process.
pub(super) struct Admin {
    /// The config that is in force.
    config: Config,
    /// The control of the log; `None` if the program around this supervisor does its own logging.
    log: Option<LogControl>,
    router: OrderRouter,
}

impl Admin {
    pub(super) const fn new(config: Config, log: Option<LogControl>, router: OrderRouter) -> Self {
        Self { config, log, router }
    }

    /// Carries out the orders one after the other. Returns when an operator orders the end.
    pub(super) async fn serve(mut self, mut admin_orders: mpsc::Receiver<AdminOrder>, mut hang_up: Signal) {
        loop {
            // If the control server has ended, signals still work.
            let order = tokio::select! {
                Some(order) = admin_orders.recv() => order,
                Some(()) = hang_up.recv() => {
                    // A signal gets no answer: the outcome is in the log.
                    let _ = self.reload(ReloadBody::default()).await;
                    continue;
                }
                else => std::future::pending().await,
            };
            match order {
                AdminOrder::Reload(ask) => send_reply(ask.reply, self.reload(ask.question).await),
                AdminOrder::SetLogFilter(ask) => send_reply(ask.reply, self.set_log_filter(ask.question)),
                AdminOrder::Shutdown(ask) => {
                    send_reply(ask.reply, Ok(Stopping { pid: std::process::id() }));
                    return;
                }
            }
        }
    }

    async fn reload(&mut self, ReloadBody { accept }: ReloadBody) -> Result<Reloaded, Refusal> {
        let file = self.config.file.clone();
        let load = move || Config::load_to_guard(Some(&file), &process_environment());
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded = loaded.map_err(|died| Refusal::Failed(format!("the config could not be read: {died}")))?;
        let fresh = loaded.map_err(|errors| not_reloaded(&errors.lines().collect::<Vec<_>>()))?;
        if let Some(log) = &self.log {
            // The config is compared with the filter that is in force, which `log-filter` may have changed.
            self.config.log.filter = log.filter();
        }
        let changes = self.config.changes_to(&fresh);
        if !accept && changes.may_be_cut_off() {
            return Err(not_reloaded(&[format!(
                "{}: no longer in the config. The file may have been cut off: put it back, or accept the default with \
                 `traffic-generator reload --accept`",
                changes.vanished.join(", ")
            )]));
        }
        self.router.reload(fresh.generator.clone(), receivers_of(&fresh)).await;
        if let Some(log) = &self.log {
            log.set_filter(&fresh.log.filter).map_err(|error| Refusal::Failed(in_full(&error)))?;
        }
        let warnings = changes.warnings().chain(fresh.all_warnings(&process_environment())).collect();
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
            return Err(Refusal::NotNow("the program around this supervisor does its own logging".to_owned()));
        };
        tracing::info!("the log filter is now \"{}\"", filter.as_str());
        log.set_filter(&filter).map_err(|error| Refusal::Failed(in_full(&error)))?;
        Ok(LogFilterSetting { filter: filter.as_str().to_owned() })
    }
}

/// Returns the refusal of a reload, and logs it, since a signal gets no answer.
fn not_reloaded(problems: &[String]) -> Refusal {
    for problem in problems {
        tracing::error!("the config is not reloaded, the old one stays in force: {problem}");
    }
    Refusal::BadConfig(problems.join("; "))
}
