//! TrafficStars in memory, behind the messages of the client actor.

use std::rc::Rc;

use actix::prelude::*;
use traffic_generator::actors::campaign::RemotePort;
use traffic_generator::actors::trafficstar::{MakeChange, ReadAccount, ReadSpend, ReadStatus, SetTick};
use traffic_generator::domain::action::Outcome;
use traffic_generator::domain::failure::RemoteFault;
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::domain::spend::SpendReading;
use traffic_generator::trafficstar::client::Account;
use traffic_generator::trafficstar::date::SeenClock;

use super::outside::Outside;
use super::world::{Call, apply_fault, id_of};

pub(crate) fn remote_port(remote: &Addr<Outside>) -> RemotePort {
    RemotePort {
        read_status: remote.clone().recipient(),
        set_tick: remote.clone().recipient(),
        read_spend: remote.clone().recipient(),
        read_account: remote.clone().recipient(),
        change: remote.clone().recipient(),
        clock: SeenClock::default(),
    }
}

impl Handler<ReadStatus> for Outside {
    type Result = ResponseFuture<Result<RemoteCampaign, RemoteFault>>;

    fn handle(&mut self, ReadStatus(question): ReadStatus, _: &mut Self::Context) -> Self::Result {
        let (world, id) = (Rc::clone(&self.0), id_of(question.remote));
        world.borrow_mut().status_urgencies.push((id, question.urgency));
        Box::pin(async move {
            apply_fault(&world, Call::ReadStatus, id).await.map_err(RemoteFault::Failed)?;
            let mut world = world.borrow_mut();
            world.status_reads += 1;
            Ok(world.seen(id))
        })
    }
}

impl Handler<ReadSpend> for Outside {
    type Result = ResponseFuture<SpendReading>;

    fn handle(&mut self, question: ReadSpend, _: &mut Self::Context) -> Self::Result {
        let spent = self.0.borrow().seen(id_of(question.remote)).spent_today;
        Box::pin(std::future::ready(spent))
    }
}

impl Handler<ReadAccount> for Outside {
    type Result = Result<Account, String>;

    fn handle(&mut self, ReadAccount: ReadAccount, _: &mut Self::Context) -> Self::Result {
        Err("these tests never read the account".to_owned())
    }
}

impl Handler<MakeChange> for Outside {
    type Result = ResponseFuture<Outcome>;

    fn handle(&mut self, MakeChange(change): MakeChange, _: &mut Self::Context) -> Self::Result {
        let (world, id) = (Rc::clone(&self.0), id_of(change.remote));
        Box::pin(async move {
            world.borrow_mut().note_write(id, change.kind);
            match apply_fault(&world, Call::Change, id).await {
                Ok(()) => {
                    world.borrow_mut().change(id, change.kind);
                    Outcome::Accepted
                }
                Err(reason) => Outcome::Failed(reason),
            }
        })
    }
}

impl Handler<SetTick> for Outside {
    type Result = ();

    fn handle(&mut self, _: SetTick, _: &mut Self::Context) {}
}
