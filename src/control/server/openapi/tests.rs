//! The description against the routes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use axum::body::Body;
use axum::http::{Request, header};
use tokio::sync::mpsc;
use tower_service::Service;

use super::super::{Shared, router};
use super::*;
use crate::board::Board;
use crate::clock::Clock;

type Methods = BTreeMap<String, BTreeSet<String>>;

fn documented() -> Methods {
    let document = serde_json::to_value(document(operations())).unwrap();
    let paths = document["paths"].as_object().unwrap().iter();
    let methods: Methods = paths
        .map(|(path, methods)| {
            let methods = methods.as_object().unwrap().keys();
            (path.clone(), methods.map(|method| method.to_uppercase()).collect())
        })
        .collect();
    let described: usize = methods.values().map(BTreeSet::len).sum();
    assert_eq!(described, operations().len(), "something is described twice");
    methods
}

/// The paths in the sources: whatever stands behind `.route(`.
fn routed() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/control/server");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths = BTreeSet::new();
    for file in files.filter(|file| file.is_file() && !file.ends_with("tests.rs")) {
        let text = fs::read_to_string(&file).unwrap();
        for route in text.split(".route(").skip(1) {
            let path = route.trim_start().strip_prefix('"').and_then(|path| path.split('"').next());
            let path = path.unwrap_or_else(|| panic!("{}: a route is text in quotes, for this test", file.display()));
            paths.insert(path.to_owned());
        }
    }
    paths
}

#[test]
fn every_path_is_described_and_no_other() {
    let described: BTreeSet<String> = documented().into_keys().collect();
    assert_eq!(described, routed(), "described on the left, routed on the right: see `operations`");
}

/// What the router itself says when it is asked with a method that nothing has.
#[tokio::test]
async fn every_method_of_every_path_is_described_and_no_other() {
    let (orders, _waiting) = mpsc::channel(1);
    let (operations, _waiting_operations) = mpsc::channel(1);
    let shared = Shared { board: Board::new(chrono::Utc::now()), clock: Clock::system(), orders, operations };
    let peer = super::super::connections::Peer { uid: None, pid: None };
    let mut router = router(shared).layer(axum::Extension(peer));
    for (path, methods) in documented() {
        let concrete = path.replace("{id}", "1");
        let request = Request::builder().method("OPTIONS").uri(&concrete).body(Body::empty()).unwrap();
        let answer = router.call(request).await.unwrap();
        assert_eq!(answer.status(), 405, "{path}");
        let allowed = answer.headers()[header::ALLOW].to_str().unwrap().split(',').filter(|method| *method != "HEAD");
        assert_eq!(allowed.map(str::to_owned).collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

/// Its `curl` lines and the paths in its paragraphs.
#[test]
fn every_path_that_the_readme_asks_is_described() {
    let readme = include_str!("../../../../README.md");
    let documented = documented();
    let template = |path: &str| {
        let path = path.split(['?', '`', '"', ' ', '\n']).next().unwrap_or_default();
        let words = path.split('/').map(|word| if word.parse::<u32>().is_ok() { "{id}" } else { word });
        words.collect::<Vec<_>>().join("/")
    };
    let lines = readme.lines().filter(|line| line.contains("http://localhost/"));
    let calls = lines.map(|line| {
        let (_, path) = line.split_once("http://localhost").unwrap_or_default();
        let method = line.split_once(" -X ").map_or("GET", |(_, rest)| rest.split(' ').next().unwrap_or_default());
        (method.to_owned(), template(path))
    });
    let spans = readme.split('`').filter(|span| span.starts_with('/') || span.starts_with("GET /"));
    let spans = spans.filter(|span| span.contains("/v1/") || span.contains("/metrics"));
    let named = spans.map(|span| ("GET".to_owned(), template(span.trim_start_matches("GET "))));
    let named: BTreeSet<(String, String)> = calls.chain(named).collect();
    assert!(named.len() > 5, "the search finds little: {named:?}");
    for (method, path) in named {
        assert!(documented.get(&path).is_some_and(|methods| methods.contains(&method)), "{method} {path}");
    }
}
