//! Alerts: what the receivers are told, when, and that nothing is repeated.
//!
//! A test compares what a receiver got with an [`Expected`]. After it, [`assert_told_once`] checks all messages of the
//! receiver: no step of an occasion came twice, and no webhook-id stood for two messages.

mod bad_config;
mod calm;
mod campaigns;
mod crash;
mod delivery;
mod leaders;
mod orders;
mod supervisor;
mod timing;
mod ways_out;

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sandbox::{CampaignSpec, Interference, Options};
use serde_json::{Value, json};
use toml::Value as Setting;

use crate::helper::{Config, Post, Receiver, World};

/// The secret of every receiver, unless a test says otherwise.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: i64 = 995_224;
const OTHER: i64 = 995_225;
/// A campaign whose lack of funds shows that everything before it was told.
const LAST: i64 = 995_999;

/// The key of a test message.
const TEST: &str = "test";

/// Returns noon of a day that no other test uses.
fn noon() -> DateTime<Utc> {
    "2026-12-08T12:00:00Z".parse().unwrap()
}

/// Returns the config with one more receiver. It is told everything, each occasion at once, unless `keys` say
/// otherwise.
pub(crate) fn telling(config: Config, name: &str, receiver: &Receiver, keys: &[(&str, Setting)]) -> Config {
    let secret_file = format!("{name}.secret");
    let usual: [(&str, Setting); 5] = [
        ("name", name.into()),
        ("url", receiver.url().into()),
        ("secret_file", secret_file.as_str().into()),
        ("severity", "info".into()),
        ("group_wait", "0s".into()),
    ];
    config.file(&secret_file, SECRET).alert(&[&usual[..], keys].concat())
}

/// Returns the key that lets a receiver be told only of these occasions.
fn only(occasions: &[&str]) -> (&'static str, Setting) {
    ("occasions", Setting::Array(occasions.iter().map(|word| (*word).into()).collect()))
}

/// Starts a world with a receiver of everything, and returns when it was told of the start.
fn watched(config: Config) -> (World, Receiver) {
    let receiver = Receiver::start();
    let mut world = World::configured(telling(config, "ops", &receiver, &[]));
    STARTED.begins(&mut world, &receiver);
    (world, receiver)
}

/// Does the same in a world in which it is noon.
fn watched_at_noon(config: Config) -> (World, Receiver) {
    let receiver = Receiver::start();
    let mut world = World::at(noon(), telling(config, "ops", &receiver, &[]), Options::default(), |_, _| {});
    STARTED.begins(&mut world, &receiver);
    (world, receiver)
}

/// What a receiver has to be told of an occasion.
#[derive(Debug, Clone, Copy)]
struct Expected {
    /// The type of a message about this occasion alone.
    kind: &'static str,
    /// The key. If it ends with `/`, only its beginning, because a time follows.
    key: &'static str,
    severity: &'static str,
    /// The campaign's id at TrafficStars. `None` if the occasion is not about one campaign.
    campaign: Option<i64>,
    /// A part of the text.
    says: &'static str,
}

const STARTED: Expected = supervisors("supervisor.restarted", "restarted/started/", "info", "guards from now on (on ");
const BLOCKED: Expected =
    campaigns("campaign.blocked", "blocked/1", "warning", "TrafficStars will not run it: archived");
const NO_FUNDS: Expected =
    campaigns("campaign.no-funds", "no-funds/1", "critical", "TrafficStars will not run it: out of funds");

/// Returns an occasion of campaign 995224, which is the first in the database.
const fn campaigns(kind: &'static str, key: &'static str, severity: &'static str, says: &'static str) -> Expected {
    Expected { kind, key, severity, campaign: Some(ID), says }
}

/// Returns an occasion that is not about one campaign.
const fn supervisors(kind: &'static str, key: &'static str, severity: &'static str, says: &'static str) -> Expected {
    Expected { kind, key, severity, campaign: None, says }
}

impl Expected {
    /// Waits until the receiver was told that it began, and returns what it was told.
    #[track_caller]
    fn begins(&self, world: &mut World, receiver: &Receiver) -> Value {
        let found = world.wait_for(&format!("{} to begin", self.key), |_| self.found(receiver, "firing"));
        self.compare(&found);
        assert_eq!(found["resolved_at"], Value::Null, "{found:#}");
        found
    }

    /// Does the same with its end.
    #[track_caller]
    fn ends(&self, world: &mut World, receiver: &Receiver) -> Value {
        let found = world.wait_for(&format!("{} to end", self.key), |_| self.found(receiver, "resolved"));
        self.compare(&found);
        assert!(found["resolved_at"].is_string(), "{found:#}");
        found
    }

    /// Returns what the receiver was told of it last, in this state; else all that it was told.
    fn found(&self, receiver: &Receiver, state: &str) -> Result<Value, String> {
        let mut all = told(receiver);
        let found = all.iter().rposition(|item| self.is(item) && item["state"] == state);
        found.map(|at| all.swap_remove(at)).ok_or_else(|| format!("it was told {all:#?}"))
    }

    /// Whether the receiver was told nothing of it.
    fn is_untold(&self, receiver: &Receiver) -> bool {
        !told(receiver).iter().any(|item| self.is(item))
    }

    fn is(&self, item: &Value) -> bool {
        let key = item["key"].as_str().unwrap_or_default();
        if self.key.ends_with('/') { key.starts_with(self.key) } else { key == self.key }
    }

    #[track_caller]
    fn compare(&self, item: &Value) {
        let word = self.kind.split('.').next_back().unwrap();
        assert!(item["type"] == self.kind || item["type"] == "alerts.gathered", "{item:#}");
        assert_eq!((&item["occasion"], &item["severity"]), (&json!(word), &json!(self.severity)), "{item:#}");
        let row = item["key"].as_str().and_then(|key| key.split('/').nth(1));
        let row = row.and_then(|row| row.parse::<i64>().ok());
        let campaign =
            self.campaign.map(|id| json!({"id": row, "name": format!("campaign {id}"), "trafficstar_id": id}));
        assert_eq!(item["campaign"], campaign.unwrap_or_default(), "{item:#}");
        assert!(item["text"].as_str().is_some_and(|text| text.contains(self.says)), "`{}` in {item:#}", self.says);
    }
}

/// Returns the messages that a receiver has taken, the oldest first. One that came again counts once: the guard may
/// have been killed before it stored that the message was taken.
fn taken(receiver: &Receiver) -> Vec<Post> {
    let mut ids = BTreeSet::new();
    receiver.posts().into_iter().filter(|post| post.is_taken && ids.insert(post.id().to_owned())).collect()
}

/// Returns what a receiver was told of single occasions, the oldest first, each with the `type` of its message.
fn told(receiver: &Receiver) -> Vec<Value> {
    taken(receiver).iter().flat_map(|post| items(&post.json())).collect()
}

/// Returns what a message says of single occasions, each with the `type` of the message.
fn items(message: &Value) -> Vec<Value> {
    let data = &message["data"];
    let mut items = data["occasions"].as_array().cloned().unwrap_or_else(|| vec![data.clone()]);
    items.iter_mut().for_each(|item| item["type"] = message["type"].clone());
    items
}

/// Returns the messages about one occasion, the oldest first, also those that the receiver did not take.
fn posts_about(receiver: &Receiver, key: &str) -> Vec<Post> {
    let posts = receiver.posts().into_iter();
    posts.filter(|post| items(&post.json()).iter().any(|item| item["key"] == key)).collect()
}

/// Asserts that each webhook-id stands for one message, that no step of an occasion was told under two ids, and that no
/// occasion began while the last one with its key was open.
#[track_caller]
fn assert_consistent(receiver: &Receiver) {
    let mut bodies = BTreeMap::new();
    for post in receiver.posts() {
        let body = bodies.entry(post.id().to_owned()).or_insert_with(|| post.body.clone());
        assert_eq!(*body, post.body, "{} is the id of two messages", post.id());
    }
    let (mut steps, mut open) = (BTreeSet::new(), BTreeSet::new());
    for item in told(receiver).into_iter().filter(|item| item["key"] != TEST) {
        let step = ["key", "since", "state", "reminder"].map(|name| item[name].to_string());
        assert!(steps.insert(step), "told twice: {item:#}");
        let key = item["key"].to_string();
        if item["state"] == "resolved" {
            open.remove(&key);
        } else if item["reminder"] == 0 {
            assert!(open.insert(key), "told again while it was open: {item:#}");
        }
    }
}

/// Asserts the same, and that the receiver has taken each message once. That cannot be promised if the guard was
/// killed.
#[track_caller]
fn assert_told_once(receiver: &Receiver) {
    assert_consistent(receiver);
    let posts = receiver.posts();
    let count = posts.iter().filter(|post| post.is_taken).count();
    assert_eq!(count, taken(receiver).len(), "a message was taken twice: {posts:#?}");
}

/// Lets ticks pass in which the receiver could be told something again, and asserts that it was told everything once.
#[track_caller]
fn expect_nothing_more(world: &mut World, receiver: &Receiver) {
    world.let_ticks_pass(2);
    assert_told_once(receiver);
}

/// Lets another campaign run out of funds, and waits until that is told. Returns the keys of all other occasions that
/// the receiver was told, except for the start of the supervisor.
fn told_so_far(world: &mut World, receiver: &Receiver) -> Vec<String> {
    world.add(CampaignSpec { no_funds: true, ..CampaignSpec::paused(LAST) }, 20_000);
    let is_last = |item: &Value| item["campaign"]["trafficstar_id"] == LAST;
    world.wait_for("the last occasion", |_| {
        let told = told(receiver);
        if told.iter().any(is_last) { Ok(()) } else { Err(format!("{told:#?}")) }
    });
    let others = told(receiver).into_iter().filter(|item| !STARTED.is(item) && !is_last(item));
    others.map(|item| item["key"].as_str().unwrap().to_owned()).collect()
}

/// Archives a campaign, or ends that: it is blocked until then.
fn set_blocked(world: &World, id: i64, is_blocked: bool) {
    world.sandbox.interfere(id, Interference::SetArchived(is_blocked)).unwrap();
}

/// Takes a campaign's funds away, or gives them back.
fn set_funds(world: &World, id: i64, has_funds: bool) {
    world.sandbox.interfere(id, Interference::SetNoFunds(!has_funds)).unwrap();
}

impl World {
    /// Returns the newest alert with this key in `alert list`.
    fn listed(&self, key: &str) -> Result<Value, String> {
        let asked = self.run(&["alert", "list", "--json"]);
        if asked.code != 0 {
            // While the leadership changes, no actor can list them.
            return Err(asked.output());
        }
        let all: Value = serde_json::from_str(&asked.stdout).unwrap();
        let found = all["alerts"].as_array().unwrap().iter().find(|alert| alert["key"] == key).cloned();
        found.ok_or_else(|| all.to_string())
    }

    /// Waits until the newest alert with this key in `alert list` is like this, and returns it.
    fn wait_until_listed(&mut self, key: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(&format!("{key}: {what}"), |world| {
            let alert = world.listed(key)?;
            if wanted(&alert) { Ok(alert) } else { Err(alert.to_string()) }
        })
    }

    /// Returns what `alert list` shows of a receiver.
    fn listed_receiver(&self, name: &str) -> Value {
        let all = self.json(&["alert", "list"]);
        let found = all["receivers"].as_array().unwrap().iter().find(|receiver| receiver["name"] == name).cloned();
        found.unwrap_or_else(|| panic!("there is no receiver {name} in {all:#}"))
    }

    /// Waits until `alert list` shows of a receiver what is wanted.
    fn wait_for_receiver(&mut self, name: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.wait_for(&format!("{name}: {what}"), |world| {
            let receiver = world.listed_receiver(name);
            if wanted(&receiver) { Ok(receiver) } else { Err(receiver.to_string()) }
        })
    }
}
