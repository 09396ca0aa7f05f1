//! The count of requests to TrafficStars. The next process reads it, so that both together keep the limit.

use actix::prelude::*;

use super::DatabaseActor;
use crate::actors::answers::Answer;
use crate::trafficstar::reservation::Reservation;

/// Counts requests before they leave. The answer means that the count is durable.
#[derive(Debug, Clone, Copy, Message)]
#[rtype(result = "Answer<()>")]
pub struct ReserveRequests(pub Reservation);

impl Handler<ReserveRequests> for DatabaseActor {
    type Result = ResponseFuture<Answer<()>>;

    fn handle(&mut self, ReserveRequests(reservation): ReserveRequests, _: &mut Self::Context) -> Self::Result {
        let Reservation { requests, by, unused, number: _ } = reservation;
        let database = self.database();
        Box::pin(
            async move { database.written(database.store.count_requests(requests, by, unused, database.now()).await) },
        )
    }
}
