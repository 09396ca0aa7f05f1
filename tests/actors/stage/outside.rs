//! What is outside of the supervisor, as an actor: one of them is the database, another one TrafficStars.

use std::time::Duration;

use actix::prelude::*;

use super::world::Shared;

/// The actor. `store` and `remote` say what it answers.
pub(crate) struct Outside(pub Shared);

impl Actor for Outside {
    type Context = Context<Self>;
}

/// Handles nothing for a while: what is sent to it waits in its mailbox.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Wedge(pub Duration);

impl Handler<Wedge> for Outside {
    type Result = ();

    fn handle(&mut self, Wedge(time): Wedge, ctx: &mut Self::Context) {
        ctx.wait(tokio::time::sleep(time).into_actor(self));
    }
}
