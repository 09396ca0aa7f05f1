//! `GET /v1/openapi.json`: the description of each path, generated from the routes that serve the requests.
//!
//! A new route needs a sample of each of its answers in `tests/it/openapi.rs`, which compares the description with real
//! answers.

use axum::http::StatusCode;
use serde_json::Value;

use super::answer::Answer;
use super::route::{GET, Route, document};

pub(super) fn routes() -> Vec<Route> {
    vec![Route::new(GET, "/v1/openapi.json", openapi, "This description").answers::<Value>(200, "OpenAPI 3.1")]
}

async fn openapi() -> Answer {
    Answer::json(StatusCode::OK, &document(super::routes()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The paths are those of the `curl` lines and those in paragraphs.
    #[test]
    fn every_path_that_the_readme_and_the_manual_ask_is_described() {
        let topics = [include_str!("../../cli/manual/api.md"), include_str!("../../cli/manual/browser.md")];
        let pages = [include_str!("../../../README.md"), topics[0], topics[1]].concat();
        let document = serde_json::to_value(document(super::super::routes())).unwrap();
        let template = |path: &str| {
            let path = path.split(['?', '`', '"', ' ', '\n']).next().unwrap_or_default();
            let words = path.split('/').map(|word| if word.parse::<u32>().is_ok() { "{id}" } else { word });
            words.collect::<Vec<_>>().join("/")
        };
        let lines = pages.lines().filter(|line| line.contains("http://localhost/"));
        let calls = lines.map(|line| {
            let (_, path) = line.split_once("http://localhost").unwrap_or_default();
            let method = line.split_once(" -X ").map_or("GET", |(_, rest)| rest.split(' ').next().unwrap_or_default());
            (method.to_lowercase(), template(path))
        });
        let spans = pages.split('`').filter(|span| span.starts_with('/') || span.starts_with("GET /"));
        let spans = spans.filter(|span| span.contains("/v1/") || span.contains("/metrics"));
        let named = spans.map(|span| ("get".to_owned(), template(span.trim_start_matches("GET "))));
        let named: BTreeSet<(String, String)> = calls.chain(named).collect();
        assert!(named.len() > 5, "the search finds little: {named:?}");
        for (method, path) in named {
            assert!(document["paths"][&path].get(&method).is_some(), "{method} {path}");
        }
    }
}
