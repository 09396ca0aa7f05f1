//! What happens, as it happens: server-sent events. A reader who is too slow loses some and is told how many; nobody
//! waits for one. Readers stay for hours, so that they have half of the socket's places at the most: the other half is for
//! orders, the panic button first.

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

/// So many readers at once: half of the connections that the socket has places for.
const MOST_READERS: usize = 32;

pub(super) fn routes() -> Vec<Route> {
    let summary =
        "What happens, as it happens, until either side ends it; with more than 32 readers the oldest is ended";
    vec![
        Route::new(GET, "/v1/events", events, summary)
            .query::<i64>("campaign", "One campaign's events alone")
            .answers_text(200, "Server-sent events, whose data is JSON", "text/event-stream")
            .refuses(404, NO_SUCH_CAMPAIGN),
    ]
}

/// The open streams, the oldest first. Dropping a sender ends its stream.
#[derive(Clone, Default)]
pub(super) struct Readers(Arc<Mutex<VecDeque<oneshot::Sender<()>>>>);

impl Readers {
    /// Takes one more stream in, and ends the oldest if there are too many. The answer resolves when this stream must end.
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
        // A server that is gone has stopped, too.
        tokio::select! {
            _ = stopping.wait_for(|stopping| *stopping) => {}
            _ = ended => {}
        }
    };
    let events = heard(shared.board.listen(), shared.clock, campaign).map(|event| Ok::<_, Infallible>(sent(&event)));
    // It never ends by itself, and the server ends when its last answer has.
    let events = events.take_until(Box::pin(stopped));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}

/// The events of one campaign or of all, and what this reader has lost of them.
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

/// The event as it travels.
fn sent(event: &OperatorEvent) -> Event {
    let named = Event::default().event(event.kind.word());
    let numbered = match event.id {
        Some(id) => named.id(id.to_string()),
        None => named,
    };
    // Text and numbers alone: nothing in it cannot be written.
    numbered.data(escaped_json(serde_json::to_string(event).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::board::Board;
    use crate::domain::operator_event::{EventKind, Part};

    #[test]
    fn one_reader_too_many_ends_the_oldest_of_those_who_still_read() {
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
    async fn a_reader_hears_of_its_campaign_alone_and_of_what_it_has_lost() {
        let noon: DateTime<chrono::Utc> = "2026-11-22T12:00:00Z".parse().unwrap();
        let board = Board::new(noon);
        let tell = |campaign: i64| {
            board.tell(OperatorEvent::recovery(noon, Part::Tick).about(CampaignId(campaign), "shoes"));
        };
        let mut one = Box::pin(heard(board.listen(), Clock::new(move || noon), Some(CampaignId(1))));
        tell(2);
        board.tell(OperatorEvent::recovery(noon, Part::Database));
        tell(1);
        let event = one.next().await.unwrap();
        assert_eq!((event.campaign_id, event.id), (Some(CampaignId(1)), Some(3)));
        for _ in 0..5000 {
            tell(1);
        }
        let event = one.next().await.unwrap();
        assert!(matches!(event.kind, EventKind::Lost { count } if count > 0), "{event:?}");
        assert_eq!(event.id, None);
        assert_eq!(one.next().await.unwrap().campaign_id, Some(CampaignId(1)), "then it goes on");
    }
}
