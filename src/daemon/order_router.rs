//! Where orders arrive, whoever carries them out: the supervisor while this process leads, the standby while it does not,
//! and nobody in between.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Recipient;
use tokio::sync::mpsc;

use crate::actors::supervisor::{CarryOut, SetDefaults};
use crate::board::Board;
use crate::control::{Order, Refusal};
use crate::domain::policy::Policy;
use crate::domain::status::Role;
use crate::leadership::Leadership;

/// The router. Clones share it.
#[derive(Clone)]
pub(super) struct OrderRouter(Arc<Mutex<Inner>>);

struct Inner {
    /// The numbers in force, for whoever comes next, too.
    defaults: Policy,
    present: Option<OrderHandler>,
}

/// Whoever carries orders out now.
#[derive(Clone)]
pub(super) struct OrderHandler {
    pub(super) carry_out: Recipient<CarryOut>,
    pub(super) set_defaults: Recipient<SetDefaults>,
    /// None: standing by.
    pub(super) leadership: Option<Leadership>,
}

impl OrderRouter {
    pub(super) fn new(defaults: Policy) -> Self {
        Self(Arc::new(Mutex::new(Inner { defaults, present: None })))
    }

    /// The numbers in force.
    pub(super) fn defaults(&self) -> Policy {
        self.inner().defaults.clone()
    }

    /// Somebody new sits at the router.
    pub(super) fn attach(&self, present: OrderHandler) {
        let mut inner = self.inner();
        // A reload may have come since it was built.
        present.set_defaults.do_send(SetDefaults(inner.defaults.clone()));
        inner.present = Some(present);
    }

    /// Nobody sits there any more.
    pub(super) fn clear(&self) {
        self.inner().present = None;
    }

    /// Other numbers. Resolves when they are in force.
    pub(super) async fn set_defaults(&self, defaults: Policy) {
        let present = {
            let mut inner = self.inner();
            inner.defaults = defaults.clone();
            inner.present.clone()
        };
        if let Some(present) = present {
            // Whoever is just leaving needs them no more; the next one is built by them.
            let _ = present.set_defaults.send(SetDefaults(defaults)).await;
        }
    }

    /// Hands orders out as they come.
    pub(super) async fn route(self, mut orders: mpsc::Receiver<Order>, board: Board) {
        while let Some(order) = orders.recv().await {
            let present = self.inner().present.clone();
            match present {
                Some(present) if order.only_reads() || present.leadership.as_ref().is_some_and(Leadership::lasts) => {
                    // One that is gone drops the reply slot, which is an answer.
                    present.carry_out.do_send(CarryOut(order));
                }
                Some(_) => {
                    let leadership = board.leadership();
                    // Its own name is no help to whoever asks it.
                    let leader = leadership.leader.filter(|_| leadership.role == Role::Standby);
                    order.refuse(Refusal::NotLeading(leader));
                }
                None => {
                    order.refuse(Refusal::NotNow("leadership is just changing: try again in a few seconds".to_owned()));
                }
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
