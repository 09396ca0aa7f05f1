//! The control interface's requests about campaigns.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use chrono::NaiveDate;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Answered;
use super::bodies::{Complaint, Shown, parsed, patched, read, shown};
use crate::amount::Amount;
use crate::campaign::{Campaign, CampaignSpec};
use crate::server::Shared;
use crate::world::{Interference, World};

pub(super) async fn list(State(shared): State<Arc<Shared>>) -> Answered {
    let world = shared.lock();
    let all: Result<Vec<Value>, Complaint> =
        world.campaigns.values().map(|campaign| described(&world, campaign)).collect();
    Ok(Shown(Value::Array(all?)))
}

pub(super) async fn one(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answered {
    answered(&mut shared.lock(), number(&id)?)
}

/// Adds a campaign that runs, with the fields of the body. Without a status in the body, the status word follows from
/// the other fields.
pub(super) async fn add(State(shared): State<Arc<Shared>>, body: Bytes) -> Answered {
    let fields = read(&body)?;
    let id = fields.get("id").and_then(Value::as_i64).ok_or_else(|| Complaint::bad("id: an integer is required"))?;
    let has_word = fields.get("status").is_some();
    let mut spec = patched(&CampaignSpec::running(id), fields)?;
    if !has_word {
        spec.set_word(spec.no_funds);
    }
    shared.change(|world| {
        if world.campaigns.contains_key(&id) {
            let message = format!("campaign {id} exists already: PATCH /sandbox/campaigns/{id} changes it");
            return Err(Complaint::new(StatusCode::CONFLICT, message));
        }
        world.add(spec);
        answered(world, id)
    })
}

/// Changes fields. Without a status in the body, the status word follows from `active` and `no_funds`.
pub(super) async fn change(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> Answered {
    let (id, patch) = (number(&id)?, read(&body)?);
    let has_word = patch.get("status").is_some();
    if patch.get("id").is_some_and(|other| *other != json!(id)) {
        return Err(Complaint::bad("id: it cannot change; remove the campaign and add another one"));
    }
    shared.change(|world| {
        let now = world.now();
        let campaign = world.find(id)?;
        let old = present(campaign, now.date_naive());
        let mut spec = CampaignSpec { overrides: old.overrides.clone(), ..patched(&old, patch)? };
        if !has_word && (old.active, old.no_funds) != (spec.active, spec.no_funds) {
            spec.set_word(spec.no_funds);
        }
        campaign.change(spec, now);
        answered(world, id)
    })
}

pub(super) async fn remove(State(shared): State<Arc<Shared>>, Path(id): Path<String>) -> Answered {
    let id = number(&id)?;
    shared.change(|world| {
        world.find(id)?;
        world.campaigns.remove(&id);
        Ok(Shown(json!({"removed": id})))
    })
}

pub(super) async fn interfere(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> Answered {
    let id = number(&id)?;
    let what: Interference = parsed(read(&body)?)?;
    shared.change(|world| {
        world.interfere(id, what)?;
        answered(world, id)
    })
}

/// The body that sets a day's spend; an amount of `null` removes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spend {
    day: Option<String>,
    // With its own function the field is required, so that a forgotten amount does not remove the spend.
    #[serde(deserialize_with = "Option::deserialize")]
    amount: Option<Amount>,
}

pub(super) async fn set_spend(State(shared): State<Arc<Shared>>, Path(id): Path<String>, body: Bytes) -> Answered {
    let id = number(&id)?;
    let Spend { day, amount } = parsed(read(&body)?)?;
    shared.change(|world| {
        let today = world.now().date_naive();
        let day = match day.as_deref() {
            None | Some("today") => today,
            Some("yesterday") => today.pred_opt().unwrap_or(today),
            Some(date) => {
                let wrong = |_| Complaint::bad(format!("day: `{date}` is no day: today, yesterday, or 2026-11-22"));
                date.parse().map_err(wrong)?
            }
        };
        world.set_spend(id, day, amount)?;
        answered(world, id)
    })
}

fn number(id: &str) -> Result<i64, Complaint> {
    id.parse().map_err(|_| Complaint::bad(format!("`{id}` is no campaign's id: that is an integer")))
}

fn answered(world: &mut World, id: i64) -> Answered {
    world.find(id)?;
    let campaign = world.campaigns.get(&id).map(|campaign| described(world, campaign)).transpose()?;
    Ok(Shown(campaign.unwrap_or_default()))
}

/// Returns a campaign's present settings, with today's spend.
fn present(campaign: &Campaign, today: NaiveDate) -> CampaignSpec {
    CampaignSpec { spent_today: campaign.spent_on(today), ..campaign.spec.clone() }
}

/// Returns a campaign's state, its settings (`campaign`, whose fields can be changed), and the API's answer to a read.
fn described(world: &World, campaign: &Campaign) -> Result<Value, Complaint> {
    let now = world.now();
    let view = campaign.view(now);
    let Shown(spec) = shown(&present(campaign, now.date_naive()))?;
    let spend = campaign.days().map(|day| (day.to_string(), json!(campaign.spent_on(day))));
    Ok(json!({
        "id": campaign.spec.id,
        "running": view.running,
        "blocked": view.blocked,
        "budget_used": view.budget_used,
        "spend": spend.collect::<Map<String, Value>>(),
        "campaign": spec,
        "answered_as": campaign.to_json(now, &world.options),
    }))
}
