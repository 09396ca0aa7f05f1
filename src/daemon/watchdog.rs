//! The watchdog: it asks the actors that all others need whether they make progress, and tells the service manager that
//! the program lives only if each of them does. If one hangs, the service manager starts the program again.
//!
//! Deliberately absent: what progress is (`actors::progress`), and campaign actors. One that hangs shows in the health,
//! and the guard of the other campaigns goes on.

use std::time::Duration;

use actix::prelude::*;
use futures_util::future::join_all;
use tokio::sync::watch;

use super::service_manager::ServiceManager;
use crate::actors::progress::CheckProgress;

/// The interval between two checks, unless the service manager wants to hear more often.
const CHECK_EVERY: Duration = Duration::from_secs(15);

/// The end of each report about an actor that makes no progress.
const WHAT_FOLLOWS: &str =
    "A service manager with a watchdog starts the program again; otherwise start it again yourself";

/// An actor that all others need, with its name.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    pub(super) name: &'static str,
    pub(super) progress: Recipient<CheckProgress>,
}

/// The list of the actors that are watched. It is empty while there are none: before a role begins, and from its end on.
#[derive(Debug, Clone, Default)]
pub(super) struct Watchdog {
    watched: watch::Sender<Vec<Watched>>,
}

impl Watchdog {
    /// Watches these actors from now on.
    pub(super) fn watch(&self, watched: Vec<Watched>) {
        self.watched.send_replace(watched);
    }

    /// Watches no actor from now on.
    pub(super) fn rest(&self) {
        self.watch(Vec::new());
    }

    /// Checks, and tells the service manager. Never returns.
    pub(super) async fn run(self, service_manager: ServiceManager) {
        // Two rounds fit into the time that the service manager allows, so that one lost message does no harm. A round
        // waits for the interval, and then at most as long for the answers.
        let every = service_manager.watchdog().map_or(CHECK_EVERY, |allowed| (allowed / 4).min(CHECK_EVERY));
        let mut reported = None;
        loop {
            tokio::time::sleep(every).await;
            let trouble = self.trouble(every).await;
            match &trouble {
                None => service_manager.alive(),
                Some(trouble) if reported.as_ref() != Some(trouble) => tracing::error!("{trouble}"),
                Some(_) => {}
            }
            if trouble.is_none() && reported.is_some() {
                tracing::info!("all actors make progress again");
            }
            reported = trouble;
        }
    }

    /// Returns what is wrong with the first actor that does not say within `patience` that it makes progress.
    async fn trouble(&self, patience: Duration) -> Option<String> {
        let watched = self.watched.borrow().clone();
        let answers = watched.iter().map(|actor| tokio::time::timeout(patience, actor.progress.send(CheckProgress)));
        let troubles =
            join_all(answers).await.into_iter().zip(&watched).filter_map(|(answer, Watched { name, .. })| {
                match answer {
                    Ok(Ok(Err(stalled))) => Some(format!("the {name} actor is stuck: {stalled}. {WHAT_FOLLOWS}")),
                    Err(_) => Some(format!("the {name} actor does not answer: it hangs. {WHAT_FOLLOWS}")),
                    // An actor that has ended is the daemon's own concern: it ends the program, or the role has just ended.
                    Ok(Ok(Ok(())) | Err(_)) => None,
                }
            });
        troubles.into_iter().next()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use secrecy::SecretString;

    use super::*;
    use crate::actors::database::DatabaseActor;
    use crate::actors::progress::Stalled;
    use crate::actors::supervisor::Supervisor;
    use crate::actors::trafficstar::TrafficStarActor;
    use crate::board::Board;
    use crate::clock::Clock;
    use crate::config::{Config, Environment};
    use crate::daemon::{database_port, direct, limits_alone, remote_port, rows_port};
    use crate::leadership::Leadership;
    use crate::store::Store;
    use crate::trafficstar::http::HttpClient;

    /// Long enough for the answer of an actor that makes progress, also on a busy machine.
    const PATIENCE: Duration = Duration::from_secs(5);
    const NAMES: [&str; 3] = ["database", "TrafficStar client", "supervisor"];

    /// Starts the real actors, each on a thread of its own. The database is missing, and TrafficStars does not answer.
    fn start(threads: &[Arbiter; 3], folder: &std::path::Path) -> Watchdog {
        let toml = "[trafficstar]\nbase_url = \"http://127.0.0.1:9\"";
        let config = Config::parse(std::path::Path::new("config.toml"), toml, &Environment::new()).unwrap();
        let (clock, defaults) = (Clock::system(), config.generator.clone());
        let board = Board::new(clock.now());
        let url = format!("sqlite://{}", folder.join("missing.db").display()).parse().unwrap();
        let settings = direct::settings(&config, SecretString::from("a-key"));
        let http = HttpClient::new(settings, Leadership::sole()).unwrap();
        let (seen_clock, limits) = (http.seen_clock(), limits_alone(&config));
        let [first, second, third] = threads;
        let shared = || (board.clone(), clock.clone());
        let (board, clock) = shared();
        let database = DatabaseActor::start_in_arbiter(&first.handle(), move |_| {
            DatabaseActor::new(Store::connect(&url), board, clock)
        });
        let ((board, clock), reserve) = (shared(), database.clone().recipient());
        let client = TrafficStarActor::start_in_arbiter(&second.handle(), move |_| {
            TrafficStarActor::new(http, &limits, reserve, board, clock)
        });
        let ((board, clock), rows, remote) = (shared(), rows_port(&database), remote_port(&client, seen_clock));
        let port = database_port(&database);
        let supervisor = Supervisor::start_in_arbiter(&third.handle(), move |_| {
            Supervisor::new(clock, board, defaults, port, rows, remote)
        });
        let watchdog = Watchdog::default();
        let progress = [database.recipient(), client.recipient(), supervisor.recipient()];
        watchdog.watch(NAMES.into_iter().zip(progress).map(|(name, progress)| Watched { name, progress }).collect());
        watchdog
    }

    /// An actor that takes messages, and whose work does not end.
    struct Stuck;

    impl Actor for Stuck {
        type Context = Context<Self>;
    }

    impl Handler<CheckProgress> for Stuck {
        type Result = Result<(), Stalled>;

        fn handle(&mut self, CheckProgress: CheckProgress, _: &mut Self::Context) -> Self::Result {
            Err(Stalled { work: "a request to TrafficStars" })
        }
    }

    #[test]
    fn an_actor_whose_work_does_not_end_is_trouble_and_one_that_has_ended_is_not() {
        System::new().block_on(async {
            let watchdog = Watchdog::default();
            let stuck = Stuck.start();
            watchdog.watch(vec![Watched { name: "TrafficStar client", progress: stuck.recipient() }]);
            let trouble = watchdog.trouble(PATIENCE).await.unwrap_or_default();
            let wanted = "the TrafficStar client actor is stuck: a request to TrafficStars has not ended";
            assert!(trouble.starts_with(wanted), "{trouble}");
            let thread = Arbiter::new();
            let ended = Stuck::start_in_arbiter(&thread.handle(), |_| Stuck);
            thread.stop();
            thread.join().unwrap();
            watchdog.watch(vec![Watched { name: "database", progress: ended.recipient() }]);
            assert_eq!(watchdog.trouble(PATIENCE).await, None);
        });
    }

    /// What hangs here is the thread, as in an endless loop. So each actor has a thread of its own.
    #[test]
    fn each_actor_that_hangs_is_trouble_and_a_database_or_an_api_that_is_away_is_not() {
        let folder = tempfile::tempdir().unwrap();
        System::new().block_on(async {
            let threads = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
            let watchdog = start(&threads, folder.path());
            assert_eq!(watchdog.trouble(PATIENCE).await, None);
            for (thread, name) in threads.iter().zip(NAMES) {
                let (release, released) = channel::<()>();
                let (hang, hangs) = tokio::sync::oneshot::channel();
                thread.spawn(async move {
                    hang.send(()).unwrap();
                    // Ends when the other end is dropped.
                    released.recv().unwrap_err();
                });
                hangs.await.unwrap();
                let trouble = watchdog.trouble(Duration::from_millis(200)).await.unwrap_or_default();
                assert!(trouble.starts_with(&format!("the {name} actor does not answer")), "{trouble}");
                drop(release);
                assert_eq!(watchdog.trouble(PATIENCE).await, None, "{name}");
            }
            watchdog.rest();
            assert_eq!(watchdog.trouble(PATIENCE).await, None);
        });
    }
}
