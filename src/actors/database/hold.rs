//! The holds that the supervisor stores: the hold on all campaigns, and holds of campaigns without an actor. (A
//! campaign actor stores its own hold with its promise.)

use actix::prelude::*;

use super::DatabaseActor;
use crate::actors::answers::Answer;
use crate::domain::ids::CampaignId;
use crate::domain::status::Hold;

/// Stores the hold on all campaigns. `None` deletes it.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer<()>")]
pub struct StoreHoldOnAll(pub Option<Hold>);

/// Stores the hold of a campaign without an actor. The answer is `false` if there is no such row.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer<bool>")]
pub struct StoreHold {
    /// The campaign's id.
    pub campaign: CampaignId,
    /// The hold. `None` deletes it.
    pub hold: Option<Hold>,
}

impl Handler<StoreHoldOnAll> for DatabaseActor {
    type Result = ResponseFuture<Answer<()>>;

    fn handle(&mut self, StoreHoldOnAll(hold): StoreHoldOnAll, _: &mut Self::Context) -> Self::Result {
        let database = self.database();
        Box::pin(async move { database.written(database.store.set_hold_on_all(hold).await) })
    }
}

impl Handler<StoreHold> for DatabaseActor {
    type Result = ResponseFuture<Answer<bool>>;

    fn handle(&mut self, StoreHold { campaign, hold }: StoreHold, _: &mut Self::Context) -> Self::Result {
        let database = self.database();
        Box::pin(async move { database.written(database.store.set_hold(campaign, hold).await) })
    }
}
