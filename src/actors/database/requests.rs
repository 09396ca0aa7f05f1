//! The count of requests that left for TrafficStars, for whoever starts next.

use actix::prelude::*;

use super::{Answer, DatabaseActor};

/// Counts requests that are about to leave. Answered when the count is durable.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Answer<()>")]
pub struct CountRequests(pub u64);

impl Handler<CountRequests> for DatabaseActor {
    type Result = ResponseFuture<Answer<()>>;

    fn handle(&mut self, CountRequests(requests): CountRequests, _: &mut Self::Context) -> Self::Result {
        let desk = self.desk();
        Box::pin(async move { desk.written(desk.store.count_requests(requests, desk.now()).await) })
    }
}
