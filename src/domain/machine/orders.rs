//! Orders for a tick, and when an order is answered.

use super::Machine;
use super::context::StepContext;
use super::force::Forcing;
use crate::domain::event::Effect;
use crate::domain::order::OrderId;

/// The orders for a tick that are not answered.
#[derive(Debug, Clone, Default)]
pub(super) struct TickOrders {
    /// The newest order for a tick that has not begun.
    wanted: Option<OrderId>,
    /// The newest order that the present tick serves.
    begun: Option<OrderId>,
}

impl TickOrders {
    /// Begins a tick: it serves every order given before it.
    pub(super) fn begin(&mut self) {
        self.begun = self.wanted.take().or(self.begun);
    }
}

impl Machine {
    pub(super) fn process(&mut self, order: OrderId) {
        self.tick_orders.wanted = Some(order);
        // The operator wants to know whether a campaign that was gone is there again.
        self.absence.read_at_next_tick();
    }

    /// Answers the orders that are carried out, and makes a tick due that an order waits for.
    pub(super) fn answer_orders(&mut self, step: &mut StepContext<'_>) {
        if !self.is_action_in_flight()
            && let Some(order) = self.holds.unanswered.take()
        {
            step.ask_for(Effect::Held { order });
        }
        if self.questions.is_ticking() {
            return;
        }
        if let Some(order) = self.tick_orders.begun.take() {
            step.ask_for(Effect::Processed { order });
        }
        if self.disabling.is_some() {
            step.effects.extend(self.tick_orders.wanted.take().map(|order| Effect::Processed { order }));
            return;
        }
        let force_waits = self.forcing.as_ref().is_some_and(Forcing::awaits_tick)
            && !self.last.is_under_way()
            && !self.end_times.are_under_way();
        if self.tick_orders.wanted.is_some() || force_waits {
            self.hasten_tick(step.now);
        }
    }
}
