//! `reload`: replaces the config's defaults at run time.

use actix::prelude::*;

use super::{Stage, Supervisor};
use crate::actors::campaign;
use crate::actors::trafficstar::SetTick;
use crate::domain::policy::Policy;

/// Replaces the config's defaults. Each campaign uses them from its next tick on. The supervisor answers when every
/// campaign actor has got its message.
#[derive(Debug, Clone, Message)]
#[rtype(result = "()")]
pub struct SetDefaults(pub Policy);

impl Handler<SetDefaults> for Supervisor {
    type Result = ();

    fn handle(&mut self, SetDefaults(policy): SetDefaults, ctx: &mut Self::Context) {
        for slot in self.slots.values() {
            match &slot.stage {
                Stage::Running(actor) | Stage::Disabling(actor) => {
                    actor.do_send(campaign::SetDefaults((*policy).clone()));
                }
                // An actor that is built later gets the new defaults.
                Stage::Building | Stage::DisablingRow | Stage::BackingOff => {}
            }
        }
        self.remote.set_tick.do_send(SetTick(policy.tick));
        self.defaults = policy;
        // A sync sets the timer to the new grid, and publishes the new mode of campaigns that are not guarded.
        drop(self.synced(ctx));
    }
}
