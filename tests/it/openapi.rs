//! `GET /v1/openapi.json` held against live answers: each documented answer is asked for and is as documented.
//!
//! Whoever adds a path adds a sample of each of its answers to the list below; the test says which are missing.

use std::collections::BTreeSet;

use sandbox::{CampaignSpec, Fault, FaultKind, Operation};
use serde_json::{Value, json};

use crate::helper::{Reply, World, ask};

/// Documented, and not worth the time that it takes to bring about.
const NOT_SAMPLED: [(&str, &str, &str); 1] = [
    // A command without effect for 25 seconds.
    ("patch", "/v1/campaigns/{id}", "202"),
];

/// What was documented, and what of it was seen.
struct Description {
    document: Value,
    seen: BTreeSet<(String, String, String)>,
}

impl Description {
    fn of(world: &World) -> Self {
        let mut document = ask(&world.guard.socket(), "GET", "/v1/openapi.json", "").json();
        let version = document["openapi"].as_str().unwrap();
        assert!(version.starts_with("3.1."), "{version}");
        for schema in document["components"]["schemas"].as_object_mut().unwrap().values_mut() {
            // A field that nobody documented is an error here; for readers it is none.
            if schema.get("properties").is_some() {
                schema["additionalProperties"] = json!(false);
            }
        }
        Self { document, seen: BTreeSet::new() }
    }

    /// Sends a request whose path is `template` with `{id}` filled in, and compares its answer with the documented one.
    fn sample(&mut self, world: &World, method: &str, template: &str, id: &str, body: &str, status: u16) {
        let reply = ask(&world.guard.socket(), &method.to_uppercase(), &template.replace("{id}", id), body);
        let name = format!("{method} {template} ({id}) {body}");
        assert_eq!(reply.status, status, "{name}: {}", reply.text);
        let responses = &self.document["paths"][template][method]["responses"];
        let key = status.to_string();
        let key = if responses.get(&key).is_some() { key } else { "default".to_owned() };
        self.compare(&responses[&key], &reply, &name);
        self.seen.insert((method.to_owned(), template.to_owned(), key));
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
        // References within the document are references within the schema.
        let mut schema = schema.clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::validator_for(&schema).unwrap_or_else(|error| panic!("{name}: {error}: {schema}"));
        let body = reply.json();
        let errors: Vec<String> =
            validator.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name} answers otherwise than documented: {errors:#?}\n{body:#}");
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
            assert!(documented.remove(&answer), "{answer:?} is not documented any more");
        }
        let missing: Vec<_> = documented.difference(&self.seen).collect();
        assert!(missing.is_empty(), "documented, and never asked for by this test: {missing:#?}");
    }
}

#[test]
fn every_documented_answer_is_as_documented() {
    let mut world = World::new();
    world.add(CampaignSpec::running(701), 20_000);
    world.sandbox.add_campaign(CampaignSpec::paused(702));
    world.database.add_campaign(702, 20_000);
    world.wait_for_state(701, "active-guarded");
    world.wait_until(702, "in the dump", |_| true);
    let (guarded, unguarded) = (world.database.row_id(701).to_string(), world.database.row_id(702).to_string());
    let mut api = Description::of(&world);

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
    api.sample(&world, "get", "/v1/health", "", "", 200);
    let unreadable = FaultKind::Status { code: 503, body: String::new() };
    let faults = [Operation::Campaign, Operation::Campaigns]
        .map(|read| world.sandbox.inject(Fault::always(unreadable.clone()).on(read)));
    world.wait_for("health is degraded", |world| {
        let health = world.guard.get("/v1/health");
        if health.status == 503 { Ok(()) } else { Err(health.text) }
    });
    api.sample(&world, "get", "/v1/health", "", "", 503);
    for fault in faults {
        world.sandbox.remove_fault(fault);
    }
    api.sample(&world, "get", "/metrics", "", "", 200);

    let (enable, pause) = (r#"{"generator_enabled": true}"#, r#"{"generator_enabled": false, "pause": true}"#);
    api.sample(&world, "patch", "/v1/campaigns/{id}", &guarded, enable, 200);
    api.sample(&world, "patch", "/v1/campaigns/{id}", "999", enable, 404);
    api.sample(&world, "patch", "/v1/campaigns/{id}", &unguarded, pause, 409);
    api.sample(&world, "patch", "/v1/campaigns/{id}", &guarded, "[]", 422);
    api.sample(&world, "patch", "/v1/campaigns/{id}", &guarded, &" ".repeat(70_000), 413);

    api.sample(&world, "put", "/v1/log-filter", "", r#"{"filter": "debug"}"#, 200);
    api.sample(&world, "put", "/v1/log-filter", "", r#"{"filter": "debgu"}"#, 422);
    api.sample(&world, "post", "/v1/reload", "", "", 200);
    std::fs::write(world.guard.config_file(), "nonsense").unwrap();
    api.sample(&world, "post", "/v1/reload", "", "", 422);

    api.sample(&world, "post", "/v1/shutdown", "", "", 202);
    api.assert_all_seen();
    world.guard.wait_for_end();
}
