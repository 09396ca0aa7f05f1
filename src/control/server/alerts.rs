//! Serves the alerts: the list, `ack`, `mute` and `test`.

use axum::Extension;
use axum::extract::{Path, State};
use chrono::{SubsecRound, TimeDelta};

use super::super::{AlertOrder, AlertView, Alerts, MuteBody, Order, TestAlert, TestResult, hold_span};
use super::Shared;
use super::answer::{Answer, Body, body, body_or_default, carry_out};
use super::connections::Peer;
use super::route::{GET, NOT_NOW, POST, PUT, Route};
use crate::domain::alert::{Ack, Mute, OccasionId};
use crate::domain::text::cut;
use crate::printable::printable;

/// The duration that ends a mute.
const UNMUTE: &str = "0s";

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new(GET, "/v1/alerts", list, "The alerts: open ones, those that are still to be sent, and the newest")
            .answers::<Alerts>(200, "The alerts, the receivers and the mutes"),
        Route::new(POST, "/v1/alerts/{id}/ack", ack, "Take an alert over: no reminder of it is sent")
            .answers::<AlertView>(200, "The alert"),
        Route::new(PUT, "/v1/alerts/mute", mute, "Send no alerts for a while, of one campaign or at all")
            .accepts::<MuteBody>()
            .answers_list::<Mute>(200, "The mutes in force")
            .refuses(409, NOT_NOW),
        Route::new(POST, "/v1/alerts/test", test, "Send a test message to a receiver, or to all")
            .may_accept::<TestAlert>()
            .answers_list::<TestResult>(200, "What each receiver answered")
            .refuses(409, NOT_NOW),
    ]
}

async fn list(State(shared): State<Shared>) -> Answer {
    carry_out(&shared.orders, (), |ask| Order::Alerts(AlertOrder::List(ask))).await
}

async fn ack(
    State(shared): State<Shared>,
    Extension(peer): Extension<Peer>,
    Path(id): Path<String>,
) -> Result<Answer, Answer> {
    let id = id.parse().map_err(|_| Answer::bad_field("id", format!("{id:?} is not the number of an alert")))?;
    let ack = Ack { at: shared.clock.now().trunc_subsecs(6), by: peer.operator().await };
    Ok(carry_out(&shared.orders, (OccasionId(id), ack), |ask| Order::Alerts(AlertOrder::Ack(ask))).await)
}

async fn mute(State(shared): State<Shared>, Extension(peer): Extension<Peer>, sent: Body) -> Result<Answer, Answer> {
    let MuteBody { campaign, lasts, reason } = body(sent)?;
    if let Some(campaign) = campaign.filter(|campaign| shared.board.campaign(*campaign).is_none()) {
        return Err(Answer::refusal(&super::super::Refusal::UnknownCampaign(campaign)));
    }
    let since = shared.clock.now().trunc_subsecs(6);
    let span = match lasts.trim() {
        UNMUTE => TimeDelta::zero(),
        lasts => {
            let span = hold_span(lasts).map_err(|error| Answer::bad_field("for", error.to_string()))?;
            TimeDelta::from_std(span).map_err(|error| Answer::bad_field("for", error.to_string()))?
        }
    };
    let reason = reason.filter(|reason| !reason.trim().is_empty()).map(|reason| printable(&cut(&reason)));
    let mute = Mute { campaign, since, until: (since + span).trunc_subsecs(6), reason, by: peer.operator().await };
    Ok(carry_out(&shared.orders, mute, |ask| Order::Alerts(AlertOrder::Mute(ask))).await)
}

async fn test(State(shared): State<Shared>, Extension(peer): Extension<Peer>, sent: Body) -> Result<Answer, Answer> {
    let test = TestAlert { by: peer.operator().await, ..body_or_default(sent)? };
    Ok(carry_out(&shared.orders, test, |ask| Order::Alerts(AlertOrder::Test(ask))).await)
}
