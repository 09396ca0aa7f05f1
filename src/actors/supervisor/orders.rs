//! Passes each operator's order to the file that carries it out.

use actix::prelude::*;

use super::Supervisor;
use super::catalog::DisableMode;
use crate::actors::database::CarryOutUrls;
use crate::control::{Ask, Generator, Order, Refusal, SetGenerator};

/// Carries an order out. The reply slot of the order is answered when it has taken effect.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct CarryOut(pub Order);

impl Handler<CarryOut> for Supervisor {
    type Result = ();

    fn handle(&mut self, CarryOut(order): CarryOut, ctx: &mut Self::Context) {
        if self.stopping {
            // The order is dropped with its reply slot, so the requester gets an error.
            return;
        }
        match order {
            Order::SetGenerator(Ask { question: SetGenerator { campaign, to }, reply }) => match to {
                Generator::Enabled { anyway, pause_first } => self.enable(ctx, campaign, anyway, pause_first, reply),
                Generator::Disabled { pause, leave_running } => {
                    self.disable(ctx, campaign, DisableMode::ordered(pause, leave_running), reply);
                }
            },
            Order::Campaigns(order) => self.carry_out_campaign_order(ctx, order),
            Order::Urls(order) => self.rows.carry_out_urls.do_send(CarryOutUrls(order)),
            Order::ReadJournal(ask) => self.read_journal(ctx, ask),
            Order::ReadAccount(ask) => self.read_account(ctx, ask),
            Order::Process(Ask { question, reply }) => self.process(ctx, question, reply),
            Order::ProcessAll(Ask { question, reply }) => self.process_all(ctx, &question, reply),
            Order::Hold(Ask { question, reply }) => self.hold(ctx, question, reply),
            Order::Release(Ask { question, reply }) => self.release(ctx, question, reply),
            Order::HoldAll(Ask { question, reply }) => self.hold_all(ctx, question, reply),
            Order::ReleaseAll(Ask { question: (), reply }) => self.release_all(ctx, reply),
            // The order router gives these to the alerts actor.
            Order::Alerts(order) => order.refuse(Refusal::NotNow("the alerts have no actor now".to_owned())),
        }
    }
}
