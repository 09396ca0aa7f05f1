//! The actor that takes the place of the database, and of TrafficStars: the tests start one of it for each.

use std::time::Duration;

use actix::prelude::*;

use super::world::Shared;

/// The actor. The modules `store` and `remote` hold its message handlers.
pub(crate) struct Outside(pub Shared);

impl Actor for Outside {
    type Context = Context<Self>;
}

/// Makes the actor handle nothing for this time. Messages to it wait in its mailbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Wedge(pub Duration);

impl Handler<Wedge> for Outside {
    type Result = ();

    fn handle(&mut self, Wedge(time): Wedge, ctx: &mut Self::Context) {
        ctx.wait(tokio::time::sleep(time).into_actor(self));
    }
}
