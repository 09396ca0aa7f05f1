//! The handle of a running sandbox, for tests and the demo.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::amount::Amount;
use crate::campaign::{CampaignSpec, CampaignView};
use crate::faults::{Fault, FaultId};
use crate::log::{Operation, RequestRecord};
use crate::options::Options;
use crate::server::{self, Shared};
use crate::visitors;
use crate::world::{Interference, NoSuchCampaign, World};

/// A running sandbox. Its methods need no async runtime, and block one only shortly. Dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop_serving: Option<oneshot::Sender<()>>,
    stop_visitors: Option<mpsc::Sender<()>>,
    threads: Vec<JoinHandle<()>>,
}

/// The error if the sandbox cannot start: its port is taken, or no thread or runtime can be started.
#[derive(Debug, Error)]
#[error("cannot {doing}")]
pub struct StartError {
    doing: String,
    source: io::Error,
}

impl StartError {
    fn threads(source: io::Error) -> Self {
        Self { doing: "start the sandbox's threads".to_owned(), source }
    }
}

impl Sandbox {
    /// Starts the sandbox on threads of its own, so that a test that blocks does not block the sandbox.
    pub fn start_in_thread(options: Options) -> Result<Self, StartError> {
        let port = options.port;
        let doing = || format!("listen on 127.0.0.1:{port}: choose another port, or 0 for any");
        let listen = |source| StartError { doing: doing(), source };
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).enable_all().build().map_err(StartError::threads)?;
        let std_listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(listen)?;
        std_listener.set_nonblocking(true).map_err(listen)?;
        let address = std_listener.local_addr().map_err(listen)?;
        let listener = {
            let _inside = runtime.enter();
            TcpListener::from_std(std_listener).map_err(listen)?
        };

        let shared = Arc::new(Shared::new(World::new(options, Utc::now())));
        let (stop_serving, serving_stopped) = oneshot::channel();
        let (stop_visitors, visitors_stopped) = mpsc::channel();
        let serve = {
            let shared = Arc::clone(&shared);
            move || {
                if let Err(error) = runtime.block_on(server::serve(listener, shared, serving_stopped)) {
                    tracing::error!(error = &error as &dyn std::error::Error, "the sandbox stopped serving");
                }
                runtime.shutdown_background();
            }
        };
        let run_visitors = {
            let shared = Arc::clone(&shared);
            move || visitors::run_visitors(&shared, &visitors_stopped)
        };
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let threads = vec![
            thread("sandbox").spawn(serve).map_err(StartError::threads)?,
            thread("visitors").spawn(run_visitors).map_err(StartError::threads)?,
        ];
        Ok(Self { shared, address, stop_serving: Some(stop_serving), stop_visitors: Some(stop_visitors), threads })
    }

    /// Returns the sandbox's address, `http://127.0.0.1:port`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Adds a campaign, or replaces the one of the same id.
    pub fn add_campaign(&self, spec: CampaignSpec) {
        self.shared.change(|world| world.add(spec));
    }

    /// Returns a campaign's present state.
    #[must_use]
    pub fn campaign(&self, id: i64) -> Option<CampaignView> {
        self.shared.lock().campaign(id)
    }

    /// Whether a campaign runs; false if it does not exist.
    #[must_use]
    pub fn is_running(&self, id: i64) -> bool {
        self.shared.lock().is_running(id)
    }

    /// Changes a campaign as somebody other than the guard would do.
    pub fn interfere(&self, id: i64, what: Interference) -> Result<(), NoSuchCampaign> {
        self.shared.change(|world| world.interfere(id, what))
    }

    /// Sets today's spend.
    pub fn set_spend(&self, id: i64, spend: Amount) -> Result<(), NoSuchCampaign> {
        self.shared.change(|world| world.set_spend(id, world.now().date_naive(), Some(spend)))
    }

    /// Sets the spend of any day. `None` removes it: then the campaign has no field of it, and reports have no row.
    pub fn set_spend_on(&self, id: i64, day: NaiveDate, spend: Option<Amount>) -> Result<(), NoSuchCampaign> {
        self.shared.change(|world| world.set_spend(id, day, spend))
    }

    /// Returns the time of the API's clock.
    #[must_use]
    pub fn clock(&self) -> DateTime<Utc> {
        self.shared.lock().now()
    }

    /// Sets the API's clock, which continues from there. Days, end times and answers, with their `Date`, follow it.
    /// Nothing is spent in the time that is skipped. The rate limit, the lifetime of tokens and the times of the log
    /// follow the real clock.
    pub fn set_clock(&self, to: DateTime<Utc>) {
        self.shared.change(|world| world.set_ahead(to - world.real_now()));
    }

    /// Sets the API's clock to the real time again.
    pub fn reset_clock(&self) {
        self.shared.change(|world| world.set_ahead(TimeDelta::zero()));
    }

    /// Makes every token invalid that was issued so far.
    pub fn revoke_tokens(&self) {
        self.shared.change(World::revoke_tokens);
    }

    /// Changes the options of the running sandbox. The port stays.
    pub fn change_options(&self, change: impl FnOnce(&mut Options)) {
        self.shared.change(|world| change(&mut world.options));
    }

    /// Adds a fault, and returns its id.
    pub fn inject(&self, fault: Fault) -> FaultId {
        self.shared.change(|world| world.faults.inject(fault))
    }

    /// Ends a fault.
    pub fn remove_fault(&self, id: FaultId) {
        self.shared.change(|world| world.faults.remove(id));
    }

    /// Ends every fault.
    pub fn clear_faults(&self) {
        self.shared.change(|world| world.faults.clear());
    }

    /// Returns every request that was received so far, oldest first.
    #[must_use]
    pub fn requests(&self) -> Vec<RequestRecord> {
        self.shared.lock().requests().to_vec()
    }

    /// Returns the requests after the one with the number `sequence`.
    #[must_use]
    pub fn requests_after(&self, sequence: u64) -> Vec<RequestRecord> {
        let world = self.shared.lock();
        world.requests().iter().filter(|request| request.sequence > sequence).cloned().collect()
    }

    /// Returns the number of requests with this operation.
    #[must_use]
    pub fn count(&self, operation: Operation) -> usize {
        self.shared.lock().count(operation)
    }

    /// Returns the number of requests that the rate limit answered with 429.
    #[must_use]
    pub fn too_many_requests(&self) -> usize {
        self.shared.lock().too_many_requests()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        drop(self.stop_serving.take());
        drop(self.stop_visitors.take());
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the sandbox has panicked");
            }
        }
    }
}
