//! Serves the dump. It is read from the board, without waiting for an actor.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;

use super::super::Refusal;
use super::Shared;
use super::answer::{Answer, campaign_id};
use super::route::{GET, Route};
use crate::domain::ids::CampaignId;
use crate::domain::status::{CampaignStatus, Dump};
use crate::printable::escaped_json;

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(GET, "/v1/state", state, "The dump: the state of the supervisor and of every campaign")
            .answers::<Dump>(200, "The dump"),
        Route::new(GET, "/v1/campaigns/{id}/state", campaign_state, "One campaign of the dump")
            .answers::<CampaignStatus>(200, "The campaign"),
    ]
}

/// Each campaign as JSON. It is serialized again only if it was published again, and replaced only if it differs. Many
/// clients may request the dump and not read it: their answers share these bytes, instead of one copy each.
#[derive(Clone, Default)]
pub(super) struct Pieces(Arc<Mutex<BTreeMap<CampaignId, Piece>>>);

/// A published status, and its JSON.
type Piece = (Arc<CampaignStatus>, Bytes);

impl Pieces {
    /// Returns the dump as JSON, in pieces. The campaigns must be its last field.
    fn of(&self, dump: &Dump, campaigns: Vec<Arc<CampaignStatus>>) -> Result<Vec<Bytes>, serde_json::Error> {
        const END: &str = "]}";
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *known);
        let mut head = escaped_json(serde_json::to_string(dump)?);
        head.truncate(head.len() - END.len());
        let mut pieces = vec![Bytes::from(head)];
        for status in campaigns {
            let piece = match before.remove(&status.id) {
                Some((published, piece)) if Arc::ptr_eq(&published, &status) => piece,
                known => {
                    let json = escaped_json(serde_json::to_string(&*status)?);
                    // Most statuses are published at every tick without a change: then the old bytes are kept.
                    known.map(|(_, piece)| piece).filter(|piece| *piece == json).unwrap_or_else(|| Bytes::from(json))
                }
            };
            if pieces.len() > 1 {
                pieces.push(Bytes::from_static(b","));
            }
            pieces.push(piece.clone());
            known.insert(status.id, (status, piece));
        }
        pieces.push(Bytes::from_static(END.as_bytes()));
        Ok(pieces)
    }
}

async fn state(State(shared): State<Shared>, Extension(pieces): Extension<Pieces>) -> Response {
    let (dump, campaigns) = shared.board.dump_and_campaigns(shared.clock.now());
    let pieces = match pieces.of(&dump, campaigns) {
        Ok(pieces) => pieces,
        Err(error) => return Answer::not_serialisable(&error).into_response(),
    };
    let length: usize = pieces.iter().map(Bytes::len).sum();
    let headers = [(header::CONTENT_TYPE, "application/json".to_owned()), (header::CONTENT_LENGTH, length.to_string())];
    (headers, Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, Infallible>)))).into_response()
}

async fn campaign_state(State(shared): State<Shared>, Path(id): Path<String>) -> Result<Answer, Answer> {
    let id = campaign_id(&id)?;
    let status = shared.board.campaign(id);
    Ok(Answer::of(status.as_deref().ok_or(Refusal::UnknownCampaign(id))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../../tests/data/dump-v1.json");

    #[test]
    fn the_pieces_form_the_dump_and_unchanged_campaigns_are_shared() {
        let example: Dump = serde_json::from_str(EXAMPLE).unwrap();
        let pieces = Pieces::default();
        let joined = |parts: &[Bytes]| serde_json::from_slice::<Dump>(&parts.concat()).unwrap();
        let bare = Dump { campaigns: Vec::new(), ..example.clone() };
        let published = |count: usize| -> Vec<Arc<CampaignStatus>> {
            let statuses = (0..count).map(|id| {
                let id = CampaignId(i64::try_from(id).unwrap());
                Arc::new(CampaignStatus { id, ..example.campaigns[0].clone() })
            });
            statuses.collect()
        };
        for count in 0..3 {
            let campaigns = published(count);
            let whole = campaigns.iter().map(|status| CampaignStatus::clone(status)).collect();
            let parts = pieces.of(&bare, campaigns).unwrap();
            assert_eq!(joined(&parts), Dump { campaigns: whole, ..bare.clone() }, "{count}");
        }
        let first = pieces.of(&bare, published(2)).unwrap();
        let mut campaigns = published(2);
        campaigns[1] = Arc::new(CampaignStatus { name: "another".to_owned(), ..example.campaigns[0].clone() });
        let second = pieces.of(&bare, campaigns).unwrap();
        assert_eq!(first[1].as_ptr(), second[1].as_ptr(), "the same bytes");
        assert_ne!(first[3], second[3]);
    }
}
