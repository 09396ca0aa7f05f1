//! Compares `GET /v1/openapi.json` with the program's real answers: the test requests each documented answer.
//!
//! A new path needs a sample of each of its answers below. The test names those that are missing. The refusals that all
//! paths share are requested of each documented path.

use std::collections::BTreeSet;

use sandbox::{CampaignSpec, Interference};
use serde_json::{Value, json};

use crate::alerts::telling;
use crate::helper::{Config, Receiver, Reply, World, ask, ask_with};

/// Documented answers that the test does not request, because they take too long.
const NOT_SAMPLED: [(&str, &str, &str); 16] = [
    // The stream has no end.
    ("get", "/v1/events", "200"),
    // The alerts are not busy for long enough.
    ("put", "/v1/alerts/mute", "409"),
    ("post", "/v1/alerts/test", "409"),
    // The others are answered only when an order has had no effect for 25 seconds.
    ("get", "/v1/account", "202"),
    ("post", "/v1/campaigns", "202"),
    ("patch", "/v1/campaigns/{id}", "202"),
    ("delete", "/v1/campaigns/{id}", "202"),
    ("post", "/v1/campaigns/{id}/urls", "202"),
    ("patch", "/v1/urls/{id}", "202"),
    ("delete", "/v1/urls/{id}", "202"),
    ("post", "/v1/campaigns/{id}/process", "202"),
    ("post", "/v1/process", "202"),
    ("put", "/v1/campaigns/{id}/hold", "202"),
    ("delete", "/v1/campaigns/{id}/hold", "202"),
    ("put", "/v1/hold", "202"),
    ("delete", "/v1/hold", "202"),
];

/// The OpenAPI document, and the documented answers that were seen.
struct Description {
    document: Value,
    seen: BTreeSet<(String, String, String)>,
}

impl Description {
    fn of(world: &World) -> Self {
        let mut document = ask(&world.guard.socket(), "GET", "/v1/openapi.json", "").json();
        let version = document["openapi"].as_str().unwrap();
        assert!(version.starts_with("3.1."), "{version}");
        let as_documented = document["components"]["schemas"].clone();
        for schema in document["components"]["schemas"].as_object_mut().unwrap().values_mut() {
            *schema = merged(schema, &as_documented);
            // A field that is not documented is an error in this test. The document itself allows further fields.
            if schema.get("properties").is_some() {
                schema["additionalProperties"] = json!(false);
            }
        }
        Self { document, seen: BTreeSet::new() }
    }

    /// Sends a request whose path is `template` with `{id}` filled in, and compares its answer with the documented one.
    fn sample(&mut self, world: &World, method: &str, template: &str, id: &str, body: &str, status: u16) -> Reply {
        let reply = ask(&world.guard.socket(), &method.to_uppercase(), &template.replace("{id}", id), body);
        let name = format!("{method} {template} ({id}) {body}");
        assert_eq!(reply.status, status, "{name}: {}", reply.text);
        self.see(method, template, &name, &reply);
        reply
    }

    fn see(&mut self, method: &str, template: &str, name: &str, reply: &Reply) {
        let template = template.split('?').next().unwrap_or_default();
        let responses = &self.document["paths"][template][method]["responses"];
        let key = reply.status.to_string();
        let key = if responses.get(&key).is_some() { key } else { "default".to_owned() };
        self.compare(&responses[&key], reply, name);
        self.seen.insert((method.to_owned(), template.to_owned(), key));
    }

    /// Samples the refusals that every path shares: of foreign hosts and origins, and of bodies with a foreign type.
    fn sample_foreign(&mut self, world: &World, id: &str) {
        let foreign: [(&str, &[&str]); 3] = [
            ("421", &["Host: evil.example"]),
            ("403", &["Host: localhost", "Origin: http://evil.example"]),
            ("415", &["Host: localhost", "Content-Type: text/plain"]),
        ];
        let paths = self.document["paths"].as_object().unwrap().clone();
        for (template, methods) in &paths {
            for (method, operation) in methods.as_object().unwrap() {
                let can_happen = |status: &str| method != "get" || status == "421";
                for (status, headers) in foreign.into_iter().filter(|(status, _)| can_happen(status)) {
                    let documented = operation["responses"].get(status);
                    assert!(documented.is_some(), "{method} {template} does not document {status}");
                    let path = template.replace("{id}", id);
                    let reply = ask_with(&world.guard.socket(), headers, &method.to_uppercase(), &path, "{}");
                    let name = format!("{method} {template}, to be refused with {status}");
                    assert_eq!(reply.status.to_string(), status, "{name}: {}", reply.text);
                    self.see(method, template, &name, &reply);
                }
            }
        }
    }

    fn compare(&self, documented: &Value, reply: &Reply, name: &str) {
        let Some(content) = documented.get("content") else {
            assert_eq!(reply.text, "", "{name}: an answer without a body");
            return;
        };
        let schema = &content[&reply.content_type]["schema"];
        assert!(!schema.is_null(), "{name}: {} is not documented: {documented}", reply.content_type);
        if !reply.content_type.ends_with("json") {
            return;
        }
        // The schema's references point into `components`, so it needs a copy of them.
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}: {schema}"));
        let body = reply.json();
        let errors: Vec<String> =
            validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: the answer differs from the documentation: {errors:#?}\n{body:#}");
    }

    fn assert_all_seen(&self) {
        let mut documented = BTreeSet::new();
        for (path, methods) in self.document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let statuses = operation["responses"].as_object().unwrap().keys();
                let statuses = statuses.filter(|status| *status != "default");
                documented.extend(statuses.map(|status| (method.clone(), path.clone(), status.clone())));
            }
        }
        for (method, path, status) in NOT_SAMPLED {
            let answer = (method.to_owned(), path.to_owned(), status.to_owned());
            assert!(documented.remove(&answer), "{answer:?} is no longer documented");
        }
        let missing: Vec<_> = documented.difference(&self.seen).collect();
        assert!(missing.is_empty(), "documented, but never requested by this test: {missing:#?}");
    }
}

/// Merges the parts of an `allOf` into one object. Whether a field is undocumented can be checked only for the whole
/// object.
fn merged(schema: &Value, schemas: &Value) -> Value {
    let Some(parts) = schema.get("allOf").and_then(Value::as_array) else { return schema.clone() };
    let (mut properties, mut required) = (serde_json::Map::new(), Vec::new());
    for part in parts {
        let name = part.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
        let part = merged(name.map_or(part, |name| &schemas[name]), schemas);
        properties.extend(part["properties"].as_object().unwrap().clone());
        required.extend(part.get("required").and_then(Value::as_array).cloned().unwrap_or_default());
    }
    json!({"type": "object", "properties": properties, "required": required})
}

#[test]
fn every_answer_is_as_documented() {
    let receiver = Receiver::start();
    let mut world = World::configured(telling(Config::default(), "ops", &receiver, &[]));
    world.add_guarded(701);
    world.add_disabled(CampaignSpec::paused(702), 20_000);
    world.wait_until(702, "in the dump", |_| true);
    let (guarded, unguarded) = (world.database.row_id(701).to_string(), world.database.row_id(702).to_string());
    let mut api = Description::of(&world);

    api.sample_foreign(&world, &guarded);
    api.sample(&world, "get", "/v1/openapi.json", "", "", 200);
    api.sample(&world, "get", "/v1/state", "", "", 200);
    for id in [&guarded, &unguarded] {
        api.sample(&world, "get", "/v1/campaigns/{id}/state", id, "", 200);
    }
    api.sample(&world, "get", "/v1/campaigns/{id}/state", "999", "", 404);
    api.sample(&world, "get", "/v1/campaigns/{id}/state", "one", "", 422);

    for id in [&guarded, &unguarded] {
        api.sample(&world, "get", "/v1/campaigns/{id}/explain", id, "", 200);
    }
    api.sample(&world, "get", "/v1/campaigns/{id}/explain", "999", "", 404);
    api.sample(&world, "get", "/v1/campaigns/{id}/explain", "one", "", 422);
    api.sample(&world, "get", "/v1/account", "", "", 200);
    api.sample(&world, "get", "/v1/account?trafficstar_id=701", "", "", 200);
    api.sample(&world, "get", "/v1/account?trafficstar_id=999", "", "", 404);
    api.sample(&world, "get", "/v1/account?trafficstar_id=one", "", "", 422);

    api.sample(&world, "get", "/v1/health", "", "", 200);
    let faults = world.let_reads_fail();
    world.wait_for("health is degraded", |world| {
        let health = world.guard.get("/v1/health");
        if health.status == 503 { Ok(()) } else { Err(health.text) }
    });
    api.sample(&world, "get", "/v1/health", "", "", 503);
    faults.into_iter().for_each(|fault| world.sandbox.remove_fault(fault));
    api.sample(&world, "get", "/metrics", "", "", 200);

    let (enable, pause) = (r#"{"generator_enabled": true}"#, r#"{"generator_enabled": false, "pause": true}"#);
    api.sample(&world, "patch", "/v1/campaigns/{id}", &guarded, enable, 200);
    api.sample(&world, "patch", "/v1/campaigns/{id}", "999", enable, 404);
    api.sample(&world, "patch", "/v1/campaigns/{id}", &unguarded, pause, 409);
    api.sample(&world, "patch", "/v1/campaigns/{id}", &guarded, "[]", 422);
    api.sample(&world, "patch", "/v1/campaigns/{id}", &guarded, &" ".repeat(70_000), 413);

    sample_rows(&mut api, &world, &guarded);
    sample_orders(&mut api, &world, &guarded, &unguarded);
    sample_alerts(&mut api, &mut world, 701);

    api.sample(&world, "put", "/v1/log-filter", "", r#"{"filter": "debug"}"#, 200);
    api.sample(&world, "put", "/v1/log-filter", "", r#"{"filter": "debgu"}"#, 422);
    api.sample(&world, "post", "/v1/reload", "", "", 200);
    std::fs::write(world.guard.config_file(), "nonsense").unwrap();
    api.sample(&world, "post", "/v1/reload", "", "", 422);

    api.sample(&world, "post", "/v1/shutdown", "", "", 202);
    api.assert_all_seen();
    world.guard.wait_for_end();
}

/// Samples the paths that list, add, change and remove rows. The campaign `guarded` runs.
fn sample_rows(api: &mut Description, world: &World, guarded: &str) {
    const ONE: &str = "/v1/campaigns/{id}";
    const URLS: &str = "/v1/campaigns/{id}/urls";
    const URL: &str = "/v1/urls/{id}";
    let key = |added: Reply| added.json()["id"].to_string();
    let overridden = r#"{"name": "new", "trafficstar_id": 703, "generator_enabled": false, "mode": "observe",
        "spend_limit": "12.5", "activate_clicks": 9, "pause_clicks": 8, "cooldown": "90s"}"#;
    let added = key(api.sample(world, "post", "/v1/campaigns", "", overridden, 201));
    api.sample(world, "post", "/v1/campaigns", "", r#"{"name": "again", "trafficstar_id": 701}"#, 409);
    let with_url = r#"{"name": "with a URL", "trafficstar_id": 704,
        "url": {"target_url": "https://example.com/", "click_limit": 5}}"#;
    let with_url = key(api.sample(world, "post", "/v1/campaigns", "", with_url, 201));
    api.sample(world, "delete", ONE, &with_url, "", 200);
    api.sample(world, "post", "/v1/campaigns", "", "{}", 422);
    api.sample(world, "get", "/v1/campaigns", "", "", 200);
    for id in [guarded, &added] {
        api.sample(world, "get", ONE, id, "", 200);
    }

    let url = r#"{"name": "page", "target_url": "https://example.com/", "click_limit": 5}"#;
    let page = key(api.sample(world, "post", URLS, &added, url, 201));
    api.sample(world, "post", URLS, "999", url, 404);
    api.sample(world, "post", URLS, &added, "{}", 422);
    api.sample(world, "get", URLS, &added, "", 200);
    api.sample(world, "patch", URL, &page, r#"{"clicks": 1, "status": "paused"}"#, 200);
    api.sample(world, "patch", URL, "999", r#"{"clicks": 1}"#, 404);
    api.sample(world, "patch", URL, &page, "{}", 422);
    api.sample(world, "delete", URL, &page, "", 200);

    api.sample(world, "delete", ONE, guarded, "", 409);
    api.sample(world, "delete", ONE, &added, r#"{"pause": false}"#, 200);
    for (method, template) in [("get", ONE), ("delete", ONE), ("get", URLS), ("delete", URL)] {
        api.sample(world, method, template, "999", "", 404);
        api.sample(world, method, template, "one", "", 422);
    }
}

/// Samples the orders, the journal and the events.
fn sample_orders(api: &mut Description, world: &World, guarded: &str, unguarded: &str) {
    const PROCESS: &str = "/v1/campaigns/{id}/process";
    const HOLD: &str = "/v1/campaigns/{id}/hold";
    let (pause, nonsense) = (r#"{"pause": true}"#, r#"{"force": "sideways", "for": "soon"}"#);
    api.sample(world, "post", PROCESS, guarded, "", 200);
    api.sample(world, "post", PROCESS, unguarded, "", 409);
    api.sample(world, "post", "/v1/process", "", "", 200);
    api.sample(world, "post", "/v1/process", "", nonsense, 422);

    api.sample(world, "put", HOLD, guarded, r#"{"for": "2h", "reason": "new page"}"#, 200);
    api.sample(world, "put", HOLD, unguarded, pause, 409);
    api.sample(world, "delete", HOLD, guarded, "", 200);
    api.sample(world, "put", "/v1/hold", "", pause, 200);
    api.sample(world, "put", "/v1/hold", "", nonsense, 422);
    for _ in ["in force", "ended already"] {
        api.sample(world, "delete", "/v1/hold", "", "", 200);
    }
    api.sample(world, "post", PROCESS, guarded, r#"{"force": "pause"}"#, 200);
    for (method, template) in [("post", PROCESS), ("put", HOLD), ("delete", HOLD)] {
        api.sample(world, method, template, "999", "", 404);
        api.sample(world, method, template, "one", "", 422);
    }

    let entries = api.sample(world, "get", "/v1/journal?since=2000-01-01T00:00:00Z&limit=9", "", "", 200).json();
    assert_ne!(entries, json!([]), "the sample has no entry");
    api.sample(world, "get", "/v1/journal?limit=0", "", "", 422);
    api.sample(world, "get", "/v1/events?campaign=999", "", "", 404);
    api.sample(world, "get", "/v1/events?campaign=one", "", "", 422);
}

/// Samples the alerts: it lets this campaign be blocked, which is told to the receiver.
fn sample_alerts(api: &mut Description, world: &mut World, id: i64) {
    const ACK: &str = "/v1/alerts/{id}/ack";
    world.sandbox.interfere(id, Interference::SetArchived(true)).unwrap();
    let alert = world.wait_for("an open alert", |world| {
        let all = world.guard.get("/v1/alerts").json();
        let found = all["alerts"].as_array().unwrap().iter().find(|alert| alert["occasion"] == "blocked").cloned();
        found.ok_or_else(|| all.to_string())
    });
    api.sample(world, "put", "/v1/alerts/mute", "", r#"{"for": "2h", "reason": "new page"}"#, 200);
    api.sample(world, "get", "/v1/alerts", "", "", 200);
    api.sample(world, "put", "/v1/alerts/mute", "", r#"{"for": "soon"}"#, 422);
    api.sample(world, "post", ACK, &alert["id"].to_string(), "", 200);
    api.sample(world, "post", ACK, "999", "", 404);
    api.sample(world, "post", ACK, "one", "", 422);
    api.sample(world, "post", "/v1/alerts/test", "", "", 200);
    api.sample(world, "post", "/v1/alerts/test", "", r#"{"receiver": "unknown"}"#, 422);
}
