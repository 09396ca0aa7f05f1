//! The order router: it receives all operators' orders, and passes each to the current handler. The handler is the
//! supervisor while this process leads, and the standby while another one leads. In between there is none, and orders
//! are refused.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix::Recipient;
use tokio::sync::mpsc;

use super::alerting::Alerting;
use crate::actors::alerts::SetReceivers;
use crate::actors::supervisor::{CarryOut, SetDefaults};
use crate::board::Board;
use crate::control::{Order, Refusal};
use crate::domain::policy::Policy;
use crate::domain::status::Role;
use crate::leadership::Leadership;

/// The router. All clones share one handler.
#[derive(Clone)]
pub(super) struct OrderRouter(Arc<Mutex<Inner>>);

struct Inner {
    /// The config's defaults that are in force. The next handler starts with them.
    defaults: Policy,
    /// The receivers of alerts that are in force.
    receivers: SetReceivers,
    /// The current handler; `None` while the leadership changes.
    handler: Option<OrderHandler>,
}

/// The messages to the actor that carries out orders: the supervisor or the standby.
#[derive(Clone)]
pub(super) struct OrderHandler {
    /// Carries out an order.
    pub(super) carry_out: Recipient<CarryOut>,
    /// Replaces the config's defaults.
    pub(super) set_defaults: Recipient<SetDefaults>,
    /// The leadership of the supervisor; `None` for the standby.
    pub(super) leadership: Option<Leadership>,
    /// The alerts of the supervisor; `None` for the standby.
    pub(super) alerting: Option<Alerting>,
}

impl OrderRouter {
    pub(super) fn new(defaults: Policy, receivers: SetReceivers) -> Self {
        Self(Arc::new(Mutex::new(Inner { defaults, receivers, handler: None })))
    }

    /// Returns the config's defaults that are in force.
    pub(super) fn defaults(&self) -> Policy {
        self.inner().defaults.clone()
    }

    /// Returns the receivers of alerts that are in force.
    pub(super) fn receivers(&self) -> SetReceivers {
        self.inner().receivers.clone()
    }

    /// Sets the handler of orders.
    pub(super) fn attach(&self, handler: OrderHandler) {
        let mut inner = self.inner();
        // A reload may have changed the defaults since the handler was built.
        handler.set_defaults.do_send(SetDefaults(inner.defaults.clone()));
        if let Some(alerting) = &handler.alerting {
            alerting.set_receivers(inner.receivers.clone());
        }
        inner.handler = Some(handler);
    }

    /// Removes the handler. Orders are refused until the next one is set.
    pub(super) fn clear(&self) {
        self.inner().handler = None;
    }

    /// Replaces the config's defaults and the receivers of alerts. Returns when the defaults are in force.
    pub(super) async fn reload(&self, defaults: Policy, receivers: SetReceivers) {
        let handler = {
            let mut inner = self.inner();
            inner.defaults = defaults.clone();
            inner.receivers = receivers.clone();
            inner.handler.clone()
        };
        if let Some(handler) = handler {
            if let Some(alerting) = &handler.alerting {
                alerting.set_receivers(receivers);
            }
            // A handler that has just ended does not need them. The next one is built with them.
            let _ = handler.set_defaults.send(SetDefaults(defaults)).await;
        }
    }

    /// Passes each order to the handler, or refuses it: only a leader carries out orders that change something.
    pub(super) async fn route(self, mut orders: mpsc::Receiver<Order>, board: Board) {
        while let Some(order) = orders.recv().await {
            let handler = self.inner().handler.clone();
            match handler {
                Some(handler) if order.only_reads() || handler.leadership.as_ref().is_some_and(Leadership::lasts) => {
                    match (order, &handler.alerting) {
                        (Order::Alerts(order), Some(alerting)) => alerting.carry_out(order),
                        // A handler that has ended drops the order with its reply slot, so the requester gets an error.
                        (order, _) => handler.carry_out.do_send(CarryOut(order)),
                    }
                }
                Some(_) => {
                    let leadership = board.leadership();
                    // A leader that is cut off does not name itself: its own name does not help the requester.
                    let leader = leadership.leader.filter(|_| leadership.role == Role::Standby);
                    order.refuse(Refusal::NotLeading(leader));
                }
                None => {
                    order.refuse(Refusal::NotNow("the leadership is changing: try again in a few seconds".to_owned()));
                }
            }
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
