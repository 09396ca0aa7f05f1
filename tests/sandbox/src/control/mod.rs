//! The control interface: with curl, people do here what tests do by [`crate::Sandbox`]. It is not a part of the API:
//! the rate limit, the faults and the log do not apply to its requests.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `door` | which requests are accepted: none of web pages, under any host name |
//! | `bodies` | the JSON of requests and answers, and the messages about mistakes |
//! | `campaigns` | requests about campaigns |
//! | `examples` | example requests to paste, for `--help` and for `GET /sandbox` |

mod bodies;
mod campaigns;
mod door;
mod examples;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::HOST;
use axum::routing::{delete, get, post, put};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use self::bodies::{Complaint, Shown, parsed, patched, read, shown};
pub use self::examples::curl_examples;
use crate::faults::{Fault, FaultId};
use crate::options::Options;
use crate::server::Shared;
use crate::world::World;

/// The path of the control interface. TrafficStars has no such path.
pub(crate) const PATH: &str = "/sandbox";

type Answered = Result<Shown, Complaint>;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let router = Router::new()
        .route("/", get(overview))
        .route("/options", get(options).patch(change_options))
        .route("/clock", get(clock).put(set_clock).delete(reset_clock))
        .route("/faults", get(faults).post(add_fault).delete(clear_faults))
        .route("/faults/{id}", delete(remove_fault))
        .route("/tokens", delete(revoke_tokens))
        .route("/campaigns", get(campaigns::list).post(campaigns::add))
        .route("/campaigns/{id}", get(campaigns::one).patch(campaigns::change).delete(campaigns::remove))
        .route("/campaigns/{id}/interfere", post(campaigns::interfere))
        .route("/campaigns/{id}/spend", put(campaigns::set_spend))
        .fallback(async || Complaint::not_found("there is no such path: GET /sandbox lists all paths"))
        .method_not_allowed_fallback(async || Complaint::wrong_method());
    door::guard(router).with_state(shared)
}

async fn overview(headers: HeaderMap) -> Shown {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1");
    Shown(examples::overview(&format!("http://{host}")))
}

async fn options(State(shared): State<Arc<Shared>>) -> Answered {
    shown(&shared.lock().options)
}

async fn change_options(State(shared): State<Arc<Shared>>, body: Bytes) -> Answered {
    let patch = read(&body)?;
    if patch.get("port").is_some() {
        return Err(Complaint::bad("port: it cannot change while the sandbox runs"));
    }
    shared.change(|world| {
        world.options = patched::<Options>(&world.options, patch)?;
        shown(&world.options)
    })
}

/// The body that sets the API's clock. A time without a date is on the API's present day.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetClock {
    time: String,
}

async fn clock(State(shared): State<Arc<Shared>>) -> Shown {
    said(&shared.lock())
}

async fn set_clock(State(shared): State<Arc<Shared>>, body: Bytes) -> Answered {
    let SetClock { time } = parsed(read(&body)?)?;
    shared.change(|world| {
        let of_today = |_| time.parse().map(|time: NaiveTime| world.now().date_naive().and_time(time).and_utc());
        let to: Result<DateTime<Utc>, _> = time.parse().or_else(of_today);
        let wrong = |_| Complaint::bad(format!("time: `{time}` is no time: write 23:59:50 or 2026-11-22T23:59:50Z"));
        world.set_ahead(to.map_err(wrong)? - world.real_now());
        Ok(said(world))
    })
}

async fn reset_clock(State(shared): State<Arc<Shared>>) -> Shown {
    shared.change(|world| {
        world.set_ahead(TimeDelta::zero());
        said(world)
    })
}

fn said(world: &World) -> Shown {
    let (time, real_time) = (world.now(), world.real_now());
    Shown(json!({"time": time, "real_time": real_time, "seconds_ahead": (time - real_time).num_seconds()}))
}

async fn faults(State(shared): State<Arc<Shared>>) -> Answered {
    let world = shared.lock();
    let all: Result<Vec<Value>, Complaint> =
        world.faults.list().iter().map(|(id, fault)| with_id(*id, fault)).collect();
    Ok(Shown(Value::Array(all?)))
}

fn with_id(id: FaultId, fault: &Fault) -> Result<Value, Complaint> {
    let Shown(mut shown) = shown(fault)?;
    if let Some(fields) = shown.as_object_mut() {
        fields.insert("id".to_owned(), json!(id));
    }
    Ok(shown)
}

async fn add_fault(State(shared): State<Arc<Shared>>, body: Bytes) -> Answered {
    let fault: Fault = parsed(read(&body)?)?;
    let id = shared.change(|world| world.faults.inject(fault.clone()));
    Ok(Shown(with_id(id, &fault)?))
}

async fn clear_faults(State(shared): State<Arc<Shared>>) -> Shown {
    shared.change(|world| world.faults.clear());
    Shown(json!([]))
}

async fn remove_fault(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answered {
    let none = || Complaint::not_found(&format!("there is no fault {id}: GET /sandbox/faults lists all faults"));
    let number = id.parse().map_err(|_| none())?;
    if shared.change(|world| world.faults.remove(FaultId(number))) { faults(State(shared)).await } else { Err(none()) }
}

async fn revoke_tokens(State(shared): State<Arc<Shared>>) -> Shown {
    shared.change(World::revoke_tokens);
    Shown(json!({"tokens": "all revoked"}))
}
