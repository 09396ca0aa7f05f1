//! This room counts for Prometheus, and writes the metrics as text. It leaves serving them to the control server
//! (`GET /metrics`), and deciding what is counted to its callers.
//!
//! This module holds the counters; other parts reach them through the board. The gauges are computed from the published
//! state for each request (`gauges`), as are the metrics of single campaigns (`per_campaign`).
#![doc = include_str!("METRICS.md")]

mod gauges;
mod per_campaign;
mod published;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

pub use self::published::Published;
use crate::domain::action::ActionKind;
use crate::domain::event::ActionUpdate;
use crate::domain::occasion::Severity;
use crate::domain::status::QueueStatus;
use crate::telemetry::lost_lines;

/// The content type of the text, for the HTTP answer.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Buckets for the wait of a request. Most requests are sent at once; one that waits for the request limit waits for a
/// minute or two at most.
const WAIT_SECONDS: [f64; 10] = [0.01, 0.05, 0.25, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0];
/// Buckets for the time of an answer: from a quick answer to a long time-out.
const ANSWER_SECONDS: [f64; 10] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 60.0];

/// Buckets for the duration of a tick. A tick ends within milliseconds, or it waits for its turn at TrafficStars for a
/// minute or more.
const TICK_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 180.0];

/// Buckets for the time from the decision to pause a campaign to the confirmation that it stopped. Without the wait for
/// the request limit this takes seconds; after two minutes the health is degraded.
const STOP_SECONDS: [f64; 9] = [0.5, 1.0, 2.5, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0];

type Label = [(&'static str, &'static str); 1];
type TwoLabels = [(&'static str, &'static str); 2];
type AlertLabels = [(&'static str, String); 2];
type ReceiverLabel = [(&'static str, String); 1];
type AnswerLabels = [(&'static str, Cow<'static, str>); 2];

/// The counters and histograms. Clones share them.
#[derive(Debug, Clone)]
pub struct Metrics {
    actor_deaths: Counter,
    ticks: Counter,
    skipped_ticks: Counter,
    tick_duration: Histogram,
    stop_lag: Histogram,
    actions: Family<TwoLabels, Counter>,
    requests: Family<Label, Counter>,
    answers: Family<AnswerLabels, Counter>,
    request_wait: Family<Label, Histogram, fn() -> Histogram>,
    answer_time: Family<Label, Histogram, fn() -> Histogram>,
    trafficstar_errors: Counter,
    database_errors: Counter,
    database_log: Gauge,
    alerts_sent: Family<AlertLabels, Counter>,
    alerts_open: Family<Label, Gauge>,
    alerts_waiting: Family<ReceiverLabel, Gauge>,
    alerts_lost: Family<ReceiverLabel, Gauge>,
}

const KINDS: [ActionKind; 5] =
    [ActionKind::Activate, ActionKind::Pause, ActionKind::SetEndTime, ActionKind::TopUp, ActionKind::DailyBudget];
const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

const fn severity_word(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

const STEPS: [&str; 6] = ["requested", "accepted", "confirmed", "failed", "superseded", "observed-only"];

impl Default for Metrics {
    /// All counters at 0. Each combination of labels exists from the beginning, so that a rate is correct from the
    /// first event on.
    fn default() -> Self {
        let actions = Family::<TwoLabels, Counter>::default();
        for kind in KINDS {
            for step in STEPS {
                drop(actions.get_or_create(&[("kind", kind.as_str()), ("step", step)]));
            }
        }
        let requests = Family::<Label, Counter>::default();
        let request_wait = Family::new_with_constructor((|| Histogram::new(WAIT_SECONDS)) as fn() -> Histogram);
        let answer_time = Family::new_with_constructor((|| Histogram::new(ANSWER_SECONDS)) as fn() -> Histogram);
        for (class, _) in QueueStatus::default().classes() {
            drop(requests.get_or_create(&[("class", class)]));
            drop(request_wait.get_or_create(&[("class", class)]));
            drop(answer_time.get_or_create(&[("class", class)]));
        }
        let alerts_open = Family::<Label, Gauge>::default();
        for severity in SEVERITIES {
            drop(alerts_open.get_or_create(&[("severity", severity_word(severity))]));
        }
        Self {
            actor_deaths: Counter::default(),
            ticks: Counter::default(),
            skipped_ticks: Counter::default(),
            tick_duration: Histogram::new(TICK_SECONDS),
            stop_lag: Histogram::new(STOP_SECONDS),
            actions,
            requests,
            answers: Family::default(),
            request_wait,
            answer_time,
            trafficstar_errors: Counter::default(),
            database_errors: Counter::default(),
            database_log: Gauge::default(),
            alerts_sent: Family::default(),
            alerts_open,
            alerts_waiting: Family::default(),
            alerts_lost: Family::default(),
        }
    }
}

impl Metrics {
    /// Counts a campaign's completed tick.
    pub fn tick_completed(&self, took: Duration, skipped: u64) {
        self.ticks.inc();
        self.skipped_ticks.inc_by(skipped);
        self.tick_duration.observe(took.as_secs_f64());
    }

    /// Counts the death of a campaign's actor.
    pub fn actor_died(&self) {
        self.actor_deaths.inc();
    }

    /// Counts a campaign that was stopped: its pause is confirmed. `lag` is the time since the first decision to pause.
    pub fn stopped(&self, lag: Duration) {
        self.stop_lag.observe(lag.as_secs_f64());
    }

    /// Counts a step of an action.
    pub fn action(&self, kind: ActionKind, update: &ActionUpdate) {
        let step = match update {
            ActionUpdate::Requested(_) => "requested",
            ActionUpdate::Accepted => "accepted",
            ActionUpdate::Confirmed => "confirmed",
            ActionUpdate::Failed(_) => "failed",
            ActionUpdate::Superseded(_) => "superseded",
            ActionUpdate::ObservedOnly(_) => "observed-only",
            // These are not steps. The step that follows is counted.
            ActionUpdate::Unclear(_) | ActionUpdate::EndTimeOwed(_) => return,
        };
        self.actions.get_or_create(&[("kind", kind.as_str()), ("step", step)]).inc();
    }

    /// Counts a request that was sent to TrafficStars, by its class of urgency.
    pub fn request_sent(&self, class: &'static str) {
        self.requests.get_or_create(&[("class", class)]).inc();
    }

    /// Counts a request that has ended. `answer` is the status code, or the word for the reason why there is none.
    pub fn request_ended(&self, class: &'static str, answer: Cow<'static, str>, waited: Duration, took: Duration) {
        self.answers.get_or_create(&[("class", Cow::Borrowed(class)), ("answer", answer)]).inc();
        self.request_wait.get_or_create(&[("class", class)]).observe(waited.as_secs_f64());
        self.answer_time.get_or_create(&[("class", class)]).observe(took.as_secs_f64());
    }

    /// Counts a failed round of requests to TrafficStars.
    pub fn trafficstar_failed(&self) {
        self.trafficstar_errors.inc();
    }

    /// Counts a failed operation of the database.
    pub fn database_failed(&self) {
        self.database_errors.inc();
    }

    /// Sets the size of the database's write-ahead log.
    pub fn database_log(&self, bytes: u64) {
        self.database_log.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    /// Counts an attempt to send a message of alerts to a receiver.
    pub fn alert_sent(&self, receiver: &str, is_delivered: bool) {
        let result = if is_delivered { "delivered" } else { "failed" };
        self.alerts_sent.get_or_create(&[("receiver", receiver.to_owned()), ("result", result.to_owned())]).inc();
    }

    /// Sets the number of open occasions of each severity, and for each receiver how many wait for it and how many it was
    /// never told.
    pub fn alerts(
        &self,
        open: &BTreeMap<Severity, u64>,
        waiting: impl Iterator<Item = (String, u64)>,
        lost: impl Iterator<Item = (String, u64)>,
    ) {
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        for severity in SEVERITIES {
            let count = open.get(&severity).copied().unwrap_or_default();
            self.alerts_open.get_or_create(&[("severity", severity_word(severity))]).set(number(count));
        }
        // A receiver that is no longer in the config is no longer shown.
        self.alerts_waiting.clear();
        self.alerts_lost.clear();
        for (receiver, count) in waiting {
            for result in ["delivered", "failed"] {
                // Both exist from the beginning, so that a rate is correct from the first message on.
                let labels = [("receiver", receiver.clone()), ("result", result.to_owned())];
                drop(self.alerts_sent.get_or_create(&labels));
            }
            self.alerts_waiting.get_or_create(&[("receiver", receiver)]).set(number(count));
        }
        for (receiver, count) in lost {
            self.alerts_lost.get_or_create(&[("receiver", receiver)]).set(number(count));
        }
    }

    /// Returns all metrics as text; those of single campaigns only if `per_campaign` says so.
    #[must_use]
    pub fn text(&self, published: &Published<'_>, per_campaign: bool) -> String {
        let mut registry = Registry::with_prefix("traffic_generator");
        gauges::register(&mut registry, published);
        if per_campaign {
            per_campaign::register(&mut registry, published.dump);
        }
        self.register(&mut registry);
        let mut text = String::new();
        // Writing into a string cannot fail.
        let _ = encode(&mut text, &registry);
        text
    }

    fn register(&self, registry: &mut Registry) {
        let counters = [
            ("actor_deaths", "Campaign actors that died and were respawned", &self.actor_deaths),
            ("ticks", "Completed ticks of all campaigns, failed ones included", &self.ticks),
            (
                "skipped_ticks",
                "Points of the grid that passed while a tick still waited for answers",
                &self.skipped_ticks,
            ),
            ("trafficstar_errors", "Rounds of requests to TrafficStars that failed", &self.trafficstar_errors),
            ("database_errors", "Operations of the database that failed", &self.database_errors),
        ];
        for (name, help, counter) in counters {
            registry.register(name, help, counter.clone());
        }
        let lost: Counter = Counter::default();
        lost.inc_by(lost_lines());
        registry.register("log_lines_lost", "Log lines that were lost because the log was not read fast enough", lost);
        let (name, help) = ("database_log", "The size of SQLite's write-ahead log");
        registry.register_with_unit(name, help, Unit::Bytes, self.database_log.clone());
        let (name, help) = ("tick_duration", "Time from a tick's first request to its last answer");
        registry.register_with_unit(name, help, Unit::Seconds, self.tick_duration.clone());
        let (name, help) =
            ("stop_lag", "Time from the decision to pause a campaign to the confirmation that it stopped");
        registry.register_with_unit(name, help, Unit::Seconds, self.stop_lag.clone());
        let help = "Attempts to send a message of alerts, by receiver and result";
        registry.register("alert_sends", help, self.alerts_sent.clone());
        registry.register("alerts_open", "Occasions that are still the case, by severity", self.alerts_open.clone());
        let help = "Occasions that wait for a receiver or are being sent to it";
        registry.register("alerts_waiting", help, self.alerts_waiting.clone());
        let help = "Occasions that a receiver was never told, because its messages were given up";
        registry.register("alerts_lost", help, self.alerts_lost.clone());
        registry.register("actions", "Steps of actions, by kind and step", self.actions.clone());
        registry.register("requests", "Requests sent to TrafficStars, by class", self.requests.clone());
        let help = "Requests that ended, by class and by status code or the reason why there was none";
        registry.register("answers", help, self.answers.clone());
        let help = "How long requests waited for their turn, by class";
        registry.register_with_unit("request_wait", help, Unit::Seconds, self.request_wait.clone());
        let help = "Time from sending a request to its answer, or to giving it up, by class";
        registry.register_with_unit("answer_time", help, Unit::Seconds, self.answer_time.clone());
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::board::Board;

    #[test]
    fn each_call_is_counted_in_its_metric() {
        let board = Board::new(DateTime::UNIX_EPOCH);
        let metrics = board.metrics();
        metrics.tick_completed(Duration::from_millis(84), 2);
        metrics.action(ActionKind::Pause, &ActionUpdate::Confirmed);
        metrics.action(ActionKind::Pause, &ActionUpdate::Unclear("lost".to_owned()));
        metrics.request_sent("sweep");
        metrics.request_ended("sweep", "200".into(), Duration::from_millis(300), Duration::from_millis(80));
        metrics.actor_died();
        metrics.trafficstar_failed();
        metrics.database_failed();
        metrics.database_log(4_152);
        metrics.stopped(Duration::from_secs(4));
        let text = board.metrics_text(DateTime::UNIX_EPOCH, false);
        for line in [
            "traffic_generator_ticks_total 1",
            "traffic_generator_skipped_ticks_total 2",
            "traffic_generator_tick_duration_seconds_bucket{le=\"0.05\"} 0",
            "traffic_generator_tick_duration_seconds_bucket{le=\"0.1\"} 1",
            "traffic_generator_actions_total{kind=\"pause\",step=\"confirmed\"} 1",
            "traffic_generator_actions_total{kind=\"activate\",step=\"requested\"} 0",
            "traffic_generator_requests_total{class=\"sweep\"} 1",
            "traffic_generator_answers_total{class=\"sweep\",answer=\"200\"} 1",
            "traffic_generator_request_wait_seconds_bucket{le=\"0.25\",class=\"sweep\"} 0",
            "traffic_generator_request_wait_seconds_bucket{le=\"1.0\",class=\"sweep\"} 1",
            "traffic_generator_answer_time_seconds_bucket{le=\"0.1\",class=\"sweep\"} 1",
            "traffic_generator_answer_time_seconds_count{class=\"pause\"} 0",
            "traffic_generator_stop_lag_seconds_bucket{le=\"2.5\"} 0",
            "traffic_generator_stop_lag_seconds_bucket{le=\"5.0\"} 1",
            "traffic_generator_actor_deaths_total 1",
            "traffic_generator_trafficstar_errors_total 1",
            "traffic_generator_database_errors_total 1",
            "traffic_generator_database_log_bytes 4152",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
    }
}
