//! The API's requests about campaigns: one campaign, the list, run and pause, edit.

use chrono::{DateTime, Duration, NaiveDateTime, Utc};
use serde_json::{Value, json};

use super::{Answer, Incoming};
use crate::campaign::{Campaign, TIME_FORM};
use crate::faults::{FaultKind, Met};
use crate::log::RequestRecord;
use crate::options::IdFilter;
use crate::world::World;

/// The word of the list's `status[]` filter that selects archived campaigns.
const ARCHIVED: &str = "archived";

pub(super) fn one(world: &World, id: i64) -> Answer {
    match world.campaigns.get(&id).map(|campaign| campaign.to_json(world.now(), &world.options)) {
        None => Answer::not_found(),
        Some(campaign) if world.options.wrapped_campaign => Answer::ok(json!({ "response": campaign })),
        Some(campaign) => Answer::ok(campaign),
    }
}

pub(super) fn list(world: &World, request: &RequestRecord) -> Result<Answer, Answer> {
    let now = world.now();
    let wanted: Vec<&str> = request.query_values("status[]").collect();
    let ids = wanted_ids(world, request)?;
    let listed: Vec<Value> = world
        .campaigns
        .values()
        .filter(|campaign| ids.is_empty() || ids.contains(&campaign.spec.id))
        .map(|campaign| (campaign.spec.archived, campaign.to_json(now, &world.options)))
        .filter(|(archived, campaign)| is_listed(&wanted, *archived, campaign))
        .map(|(_, campaign)| campaign)
        .collect();
    if world.options.bare_list {
        return Ok(Answer::ok(Value::Array(listed)));
    }
    let (page_size, page) = (page_size(world, request), super::page(request)?);
    let on_page: Vec<&Value> = listed.iter().skip((page - 1).saturating_mul(page_size)).take(page_size).collect();
    Ok(Answer::ok(json!({
        "page": page,
        "count": listed.len(),
        "page_count": listed.len().div_ceil(page_size),
        "page_size": page_size,
        "response": on_page,
    })))
}

/// Whether the list has a campaign: it matches one of the wanted words, or, without wanted words, it is not archived.
fn is_listed(wanted: &[&str], archived: bool, campaign: &Value) -> bool {
    let word = if archived { Some(ARCHIVED) } else { campaign.get("status").and_then(Value::as_str) };
    if wanted.is_empty() { !archived } else { word.is_some_and(|word| wanted.contains(&word)) }
}

/// Returns the ids by which the list is filtered. If there are none, the list is not filtered.
fn wanted_ids(world: &World, request: &RequestRecord) -> Result<Vec<i64>, Answer> {
    let (plain, brackets) = match world.options.id_filter {
        IdFilter::Plain => (true, false),
        IdFilter::Brackets => (false, true),
        IdFilter::Either => (true, true),
        IdFilter::Ignored => (false, false),
    };
    let named = |name, understood: bool| request.query_values(name).filter(move |_| understood);
    let ids: Result<Vec<i64>, _> = named("id", plain).chain(named("id[]", brackets)).map(str::parse).collect();
    ids.map_err(|_| Answer::bad("id", "must be an integer"))
}

fn page_size(world: &World, request: &RequestRecord) -> usize {
    let asked = world
        .options
        .page_size_names
        .iter()
        .find_map(|name| request.query_value(name))
        .and_then(|value| value.parse::<usize>().ok());
    match (asked, world.options.max_page_size) {
        (Some(asked), Some(most)) if asked >= 1 => asked.min(most),
        (Some(_) | None, Some(_) | None) => world.options.page_size.max(1),
    }
}

/// Returns the `campaign_ids` of a run or pause. `None` unless it is an array of integers.
pub(super) fn ids_in(body: Option<&Value>) -> Option<Vec<i64>> {
    body?.get("campaign_ids")?.as_array()?.iter().map(Value::as_i64).collect()
}

pub(super) fn switch(world: &mut World, on: bool, incoming: &Incoming, body: Option<&Value>, faults: &[Met]) -> Answer {
    let Some(ids) = ids_in(body).filter(|_| incoming.has_json_content()) else {
        return Answer::bad("campaign_ids", "a list of integers is required");
    };
    let (mut success, mut failed, mut changed) = (Vec::new(), Vec::new(), Vec::new());
    for &id in &ids {
        let switched = switch_id(world, on, id, faults);
        if switched.has_effect {
            changed.push(id);
        }
        match switched.listed {
            Listed::Success => success.push(id),
            Listed::Failed => failed.push(id),
            Listed::Nowhere => {}
        }
    }
    let total = ids.len();
    Answer { changed, ..Answer::ok(json!({"success": success, "failed": failed, "total": total})) }
}

/// Answers the deprecated run or pause of one campaign, with the campaign object. The live API's answer to a run that
/// is not possible was never seen.
pub(super) fn switch_one(world: &mut World, on: bool, id: i64, faults: &[Met]) -> Answer {
    if !world.campaigns.contains_key(&id) {
        return Answer::not_found();
    }
    let switched = switch_id(world, on, id, faults);
    match switched.listed {
        Listed::Failed => Answer::bad("campaign", "not possible"),
        Listed::Success | Listed::Nowhere => {
            Answer { changed: if switched.has_effect { vec![id] } else { Vec::new() }, ..one(world, id) }
        }
    }
}

/// The result of a run or pause for one id.
struct Switched {
    has_effect: bool,
    listed: Listed,
}

enum Listed {
    Success,
    Failed,
    Nowhere,
}

fn switch_id(world: &mut World, on: bool, id: i64, faults: &[Met]) -> Switched {
    let now = world.now();
    let met = |kind: &dyn Fn(&FaultKind) -> bool| faults.iter().find(|met| met.is_about(id) && kind(&met.kind));
    let campaign = world.campaigns.get_mut(&id).filter(|campaign| !campaign.refuses(on));
    let (Some(campaign), None) = (campaign, met(&|kind| *kind == FaultKind::FailedInside200)) else {
        return Switched { has_effect: false, listed: Listed::Failed };
    };
    let in_neither = met(&|kind| matches!(kind, FaultKind::InNeitherList { .. })).map(|met| &met.kind);
    let late = met(&|kind| matches!(kind, FaultKind::EffectLate(_))).map(|met| &met.kind);
    let has_effect = in_neither != Some(&FaultKind::InNeitherList { effect: false });
    if let (true, Some(FaultKind::EffectLate(delay))) = (has_effect, late) {
        let until = now + Duration::from_std(*delay).unwrap_or_default();
        campaign.switch_shown_late(on, now, until);
    } else if has_effect {
        campaign.switch(on, now);
    }
    let listed = if in_neither.is_none() { Listed::Success } else { Listed::Nowhere };
    Switched { has_effect, listed }
}

pub(super) fn edit(world: &mut World, id: i64, incoming: &Incoming, body: Option<&Value>) -> Result<Answer, Answer> {
    let now = world.now();
    let fields = body.and_then(Value::as_object).filter(|_| incoming.has_json_content());
    let fields = fields.ok_or_else(|| Answer::bad("body", "a JSON object is required"))?;
    let campaign = world.campaigns.get_mut(&id).ok_or_else(Answer::not_found)?;
    // Either all changes are made, or none of them.
    let mut edited = campaign.clone();
    fields.iter().try_for_each(|(name, value)| change(&mut edited, now, name, value))?;
    edited.touch(now);
    *campaign = edited;
    Ok(Answer { changed: vec![id], ..one(world, id) })
}

fn change(campaign: &mut Campaign, now: DateTime<Utc>, name: &str, value: &Value) -> Result<(), Answer> {
    match (name, value) {
        ("schedule_end_time", Value::Null) => campaign.spec.schedule_end_time = None,
        ("schedule_end_time", Value::String(text)) if text.is_empty() || is_confirmed_form(text) => {
            campaign.spec.schedule_end_time = Some(text.clone());
        }
        ("schedule_end_time", _) => return Err(Answer::bad(name, "must look like 2025-05-07 23:59:00")),
        ("max_daily", Value::Number(number)) => {
            let amount = number.to_string().parse();
            campaign.spec.max_daily =
                amount.map_err(|_| Answer::bad(name, "must be an amount with six decimals at most"))?;
        }
        ("active", Value::Bool(on)) => campaign.switch(*on, now),
        ("name", Value::String(text)) => campaign.spec.name.clone_from(text),
        // This may be stricter than the live API, so that tests notice a misspelt field.
        _ => return Err(Answer::bad(name, "no such field, or not of this type")),
    }
    Ok(())
}

/// Whether a text has the one form of an end time that the live API was seen to confirm. chrono alone would also accept
/// `2025-5-7 3:4:5`.
fn is_confirmed_form(text: &str) -> bool {
    NaiveDateTime::parse_from_str(text, TIME_FORM).is_ok_and(|time| time.format(TIME_FORM).to_string() == text)
}
