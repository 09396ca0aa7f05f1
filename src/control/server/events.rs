//! Serves events as they happen, as server-sent events. A reader that is too slow loses events and gets their number;
//! the supervisor never waits for a reader. Readers stay for hours, so they get at most half of the socket's places:
//! the other half is for orders such as `pause-all`.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::extract::{RawQuery, State};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{oneshot, watch};

use super::super::{KEEP_ALIVE, Refusal};
use super::Shared;
use super::answer::Answer;
use super::query::Parameters;
use super::route::{GET, NO_SUCH_CAMPAIGN, Route};
use crate::clock::Clock;
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::OperatorEvent;
use crate::printable::escaped_json;

/// The largest number of readers: half of the connections that the socket accepts.
const MOST_READERS: usize = 32;

pub(super) fn routes() -> Vec<Route> {
    let summary =
        "Events as they happen, until either side closes the stream; with more than 32 streams, the oldest is closed";
    vec![
        Route::new(GET, "/v1/events", events, summary)
            .query::<i64>("campaign", "Only the events of this campaign, by its database id")
            .answers_text(200, "Server-sent events, whose data is JSON", "text/event-stream")
            .refuses(404, NO_SUCH_CAMPAIGN),
    ]
}

/// The open streams, the oldest first. Dropping a sender ends its stream.
#[derive(Clone, Default)]
pub(super) struct Readers(Arc<Mutex<VecDeque<oneshot::Sender<()>>>>);

impl Readers {
    /// Adds a stream, and ends the oldest one if there are too many. The returned receiver resolves when the new stream
    /// must end.
    fn join(&self) -> oneshot::Receiver<()> {
        let (end, ended) = oneshot::channel();
        let mut readers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        readers.retain(|reader| !reader.is_closed());
        readers.push_back(end);
        while readers.len() > MOST_READERS {
            readers.pop_front();
        }
        ended
    }
}

async fn events(
    State(shared): State<Shared>,
    Extension(mut stopping): Extension<watch::Receiver<bool>>,
    Extension(readers): Extension<Readers>,
    RawQuery(query): RawQuery,
) -> Result<Response, Answer> {
    let mut parameters = Parameters::new(query.as_deref());
    let campaign = parameters.take("campaign", "a campaign id: give a number")?.map(CampaignId);
    parameters.finish(&["campaign"])?;
    if let Some(id) = campaign.filter(|id| shared.board.campaign(*id).is_none()) {
        return Err(Answer::refusal(&Refusal::UnknownCampaign(id)));
    }
    let ended = readers.join();
    let stopped = async move {
        // A closed channel also means that the server has stopped.
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {}
            _ = ended => {}
        }
    };
    let events = heard(shared.board.listen(), shared.clock, campaign).map(|event| Ok::<_, Infallible>(sent(&event)));
    // The stream never ends by itself, and the server waits for its last answer: so the stream ends when the server
    // stops.
    let events = events.take_until(Box::pin(stopped));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// Returns the events of one campaign or of all, and an event with the number of lost ones if the reader was too slow.
fn heard(
    listener: Receiver<Arc<OperatorEvent>>,
    clock: Clock,
    campaign: Option<CampaignId>,
) -> impl Stream<Item = Arc<OperatorEvent>> {
    stream::unfold((listener, clock), move |(mut listener, clock)| async move {
        loop {
            let event = match listener.recv().await {
                Ok(event) if campaign.is_some() && event.campaign_id != campaign => continue,
                Ok(event) => event,
                Err(RecvError::Lagged(count)) => Arc::new(OperatorEvent::lost(clock.now(), count)),
                Err(RecvError::Closed) => return None,
            };
            return Some((event, (listener, clock)));
        }
    })
}

/// Returns the event as a server-sent event.
fn sent(event: &OperatorEvent) -> Event {
    let named = Event::default().event(event.kind.word());
    let numbered = match event.id {
        Some(id) => named.id(id.to_string()),
        None => named,
    };
    // An event has only texts and numbers, so it can always be serialized.
    numbered.data(escaped_json(serde_json::to_string(event).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::board::Board;
    use crate::domain::operator_event::{EventKind, Part};

    #[test]
    fn one_reader_too_many_ends_the_oldest_open_stream() {
        let readers = Readers::default();
        drop(readers.join());
        let mut all: Vec<_> = (0..MOST_READERS).map(|_| readers.join()).collect();
        assert!(all.iter_mut().all(|reader| reader.try_recv() == Err(oneshot::error::TryRecvError::Empty)));
        let _newest = readers.join();
        let ended: Vec<bool> =
            all.iter_mut().map(|reader| reader.try_recv() == Err(oneshot::error::TryRecvError::Closed)).collect();
        assert_eq!(ended.iter().position(|ended| *ended), Some(0));
        assert_eq!(ended.iter().filter(|ended| **ended).count(), 1);
    }

    #[tokio::test]
    async fn a_reader_gets_the_events_of_its_campaign_and_the_number_of_lost_ones() {
        let noon: DateTime<chrono::Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let board = Board::new(noon);
        let report = |campaign: i64| {
            board.publish_event(OperatorEvent::recovery(noon, Part::Tick).about(CampaignId(campaign), "shoes"));
        };
        let mut one = Box::pin(heard(board.listen(), Clock::new(move || noon), Some(CampaignId(1))));
        report(2);
        board.publish_event(OperatorEvent::recovery(noon, Part::Database));
        report(1);
        let event = one.next().await.unwrap();
        assert_eq!((event.campaign_id, event.id), (Some(CampaignId(1)), Some(3)));
        for _ in 0..5000 {
            report(1);
        }
        let event = one.next().await.unwrap();
        assert!(matches!(event.kind, EventKind::Lost { count } if count > 0), "{event:?}");
        assert_eq!(event.id, None);
        assert_eq!(one.next().await.unwrap().campaign_id, Some(CampaignId(1)), "the stream goes on");
    }
}
