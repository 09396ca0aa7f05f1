//! Reading and storing what is kept of alerts.

use std::sync::Arc;

use actix::prelude::*;

use super::super::answers::Answer;
use super::DatabaseActor;
use crate::domain::alert::{AlertChanges, StoredAlerts};

/// Reads what is kept of alerts and not settled.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Answer<StoredAlerts>")]
pub struct ReadAlerts {
    /// The number of the newest occasions that are read as well, settled or not: for an operator's list. The alerts
    /// actor itself reads with zero, and does not wait for the queries of operators.
    pub newest: u32,
}

/// Stores changes of alerts in one transaction.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Answer<()>")]
pub struct SaveAlerts(pub AlertChanges);

impl Handler<ReadAlerts> for DatabaseActor {
    type Result = ResponseFuture<Answer<StoredAlerts>>;

    fn handle(&mut self, ReadAlerts { newest }: ReadAlerts, _: &mut Self::Context) -> Self::Result {
        let (database, permits) = (self.database(), Arc::clone(&self.operator_reads));
        Box::pin(async move {
            let read = match newest {
                0 => database.store.unsettled_alerts().await,
                newest => {
                    // The semaphore is never closed.
                    let _permit = permits.acquire().await;
                    database.store.newest_alerts(newest).await
                }
            };
            database.read(read)
        })
    }
}

impl Handler<SaveAlerts> for DatabaseActor {
    type Result = ResponseFuture<Answer<()>>;

    fn handle(&mut self, SaveAlerts(changes): SaveAlerts, _: &mut Self::Context) -> Self::Result {
        let database = self.database();
        Box::pin(async move { database.written(database.store.save_alerts(changes, database.now()).await) })
    }
}
