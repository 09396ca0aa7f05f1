//! Other numbers for every campaign, at run time.

use actix::prelude::*;

use super::{Stage, Supervisor};
use crate::actors::campaign;
use crate::actors::trafficstar::SetTick;
use crate::domain::policy::Policy;

/// Takes over numbers that a config was given; each campaign goes by them from its next tick on. Answered when every
/// actor has been told.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SetDefaults(pub Policy);

impl Handler<SetDefaults> for Supervisor {
    type Result = ();

    fn handle(&mut self, SetDefaults(policy): SetDefaults, ctx: &mut Self::Context) {
        for slot in self.slots.values() {
            match &slot.stage {
                Stage::Alive(actor) | Stage::Disabling(actor) => {
                    actor.do_send(campaign::SetDefaults((*policy).clone()));
                }
                // Whoever is built later is given the new ones.
                Stage::Building | Stage::Leaving | Stage::BackingOff => {}
            }
        }
        self.remote.set_tick.do_send(SetTick(policy.tick));
        self.defaults = policy;
        // The next sync is armed for the new grid, and shows the new mode of those that are not guarded.
        drop(self.synced(ctx));
    }
}
