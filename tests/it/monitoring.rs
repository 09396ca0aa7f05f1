//! The metrics on a TCP port, those of single campaigns, and the alerts and the dashboard of `packaging`, against the
//! running guard and a real Prometheus.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use sandbox::CampaignSpec;
use serde_json::Value;

use crate::helper::{Config, Done, World, ask_port, assert_says};

const ID: i64 = 995_001;
const ALERTS: &str = "packaging/prometheus/alerts.yaml";
const ALERT_TESTS: &str = "packaging/prometheus/alerts-test.yaml";
const DASHBOARD: &str = "packaging/grafana/traffic-generator.json";

fn read(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns a port that no program uses at this moment.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

fn config(port: u16) -> Config {
    Config::default()
        .set("metrics", "listen", format!("127.0.0.1:{port}"))
        .set("metrics", "per_campaign", true)
        .with_receiver()
}

/// A world with two guarded campaigns, and the port of its metrics.
fn world() -> (World, u16) {
    let port = free_port();
    let mut world = World::configured(config(port));
    world.add(CampaignSpec::running(ID).spent("1.25".parse().unwrap()), 20_000);
    world.add(CampaignSpec::paused(ID + 1), 1_000);
    world.database.execute("UPDATE campaigns SET name = 'a \"quoted\" \\ name' WHERE id = 1");
    world.wait_for_state(ID, "active-guarded");
    world.wait_for_state(ID + 1, "paused-guarded");
    world.let_ticks_pass(1);
    (world, port)
}

#[test]
fn the_port_serves_the_metrics_to_this_machine_and_nothing_else() {
    let (world, port) = world();
    let cases = [
        ("localhost", "GET", "/metrics", 200),
        ("127.0.0.1:9464", "GET", "/metrics", 200),
        ("evil.example", "GET", "/metrics", 421),
        ("localhost", "POST", "/metrics", 405),
        ("localhost", "GET", "/v1/state", 404),
        ("localhost", "POST", "/v1/shutdown", 404),
    ];
    for (host, method, path, status) in cases {
        assert_eq!(ask_port(port, host, method, path).status, status, "{host} {method} {path}");
    }
    let names = |text: &str| names_in(text, "traffic_generator_");
    let (of_port, of_socket) = (ask_port(port, "localhost", "GET", "/metrics"), world.guard.get("/metrics"));
    assert_eq!((names(&of_port.text), of_port.content_type), (names(&of_socket.text), of_socket.content_type));
    let done = world.guard.run_on_another_database(&["migrate"]);
    assert_eq!(done.code, 0, "{}", done.output());
    let another = [
        ("TRAFFIC_GENERATOR__DATABASE__URL", "sqlite://other.db"),
        ("TRAFFIC_GENERATOR__CONTROL__SOCKET", "other.sock"),
    ];
    let done = world.guard.run_with(&another, &["run"]);
    assert_eq!(done.code, 1, "{}", done.output());
    assert_says(&done.stderr, &[&format!("the metrics cannot be served on 127.0.0.1:{port}"), "[metrics] listen"]);
}

#[test]
fn each_campaign_has_its_spend_limit_clicks_and_state_if_the_config_says_so() {
    let (mut world, port) = world();
    let text = ask_port(port, "localhost", "GET", "/metrics").text;
    let labels = r#"campaign="1",name="a \"quoted\" \\ name""#;
    for sample in [
        format!("traffic_generator_campaign_spend{{{labels}}} 1.25"),
        format!("traffic_generator_campaign_spend_limit{{{labels}}} 10.0"),
        format!("traffic_generator_campaign_remaining_clicks{{{labels}}} 20000"),
        format!("traffic_generator_campaign_state{{{labels},state=\"active-guarded\"}} 1"),
        "traffic_generator_stop_pending_seconds 0".to_owned(),
        "traffic_generator_journal_backlog 0".to_owned(),
    ] {
        assert!(text.lines().any(|line| line == sample), "{sample} is missing in\n{text}");
    }
    world.guard.stop();
    world.configure("metrics", "per_campaign", false);
    world.start();
    let text = world.guard.get("/metrics").text;
    assert!(!text.contains("traffic_generator_campaign_"), "{text}");
}

#[test]
fn a_pause_that_is_not_confirmed_and_records_that_are_not_stored_show_in_the_metrics() {
    let (mut world, _) = world();
    let value = |world: &World, name: &str| -> u64 {
        let text = world.guard.get("/metrics").text;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("traffic_generator_{name} ")));
        line.unwrap().parse().unwrap()
    };
    world.database.lock();
    world.sandbox.interfere(ID + 1, sandbox::Interference::SetEndTime(None)).unwrap();
    world.sandbox.interfere(ID + 1, sandbox::Interference::Start).unwrap();
    world.wait_for("a record that waits", |world| match value(world, "journal_backlog") {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
    world.database.unlock();
    world.wait_for("no record that waits", |world| match value(world, "journal_backlog") {
        0 => Ok(()),
        some => Err(some.to_string()),
    });
    world.wait_for("a stop lag", |world| match value(world, "stop_lag_seconds_count") {
        0 => Err("none".to_owned()),
        _ => Ok(()),
    });
    world.let_reads_fail();
    world.wait_for("an old reading", |world| match value(world, "sweep_age_seconds") {
        2.. => Ok(()),
        young => Err(young.to_string()),
    });
}

/// Returns the names in a text that begin with `prefix`.
fn names_in(text: &str, prefix: &str) -> BTreeSet<String> {
    let rests = text.match_indices(prefix).map(|(at, _)| &text[at..]);
    let ends = |letter: char| !(letter.is_ascii_lowercase() || letter == '_');
    rests.map(|rest| rest.split(ends).next().unwrap().to_owned()).collect()
}

#[test]
fn every_metric_that_the_alerts_and_the_dashboard_use_exists_and_every_alert_is_tested_both_ways() {
    let (world, _) = world();
    let text = world.guard.get("/metrics").text;
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    let exposed: BTreeSet<&str> = samples.map(|line| line.split(['{', ' ']).next().unwrap()).collect();
    for page in [ALERTS, ALERT_TESTS, DASHBOARD] {
        let used = names_in(&read(page), "traffic_generator_");
        assert!(used.len() > 10, "{page}: {used:?}");
        let unknown: Vec<_> = used.iter().filter(|name| !exposed.contains(name.as_str())).collect();
        assert!(unknown.is_empty(), "{page} uses metrics that do not exist: {unknown:?}");
    }
    let alerts = names_in_lines(&read(ALERTS), "- alert: ");
    let tests = read(ALERT_TESTS);
    assert_eq!(alerts, names_in_lines(&tests, "- alertname: "), "each alert has a test");
    for test in tests.split("  - interval: 1m\n").skip(1) {
        assert!(test.contains("\"bad\"") && test.contains("\"good\""), "it fires, and it does not:\n{test}");
        assert_eq!(test.matches("exp_labels").count(), 1, "it fires once:\n{test}");
    }
}

/// Returns what follows `start` on the lines that begin with it.
fn names_in_lines(text: &str, start: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.trim_start().strip_prefix(start)).map(str::to_owned).collect()
}

/// A real Prometheus, which reads the guard's port every second. It is killed at the end of the test.
struct Prometheus {
    child: Child,
    url: String,
}

impl Prometheus {
    /// Starts it. Returns `None` on a machine without it, and prints a message then.
    fn start(folder: &Path, metrics: u16) -> Option<Self> {
        let port = free_port();
        let config = format!(
            "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\n\
             rule_files: ['{}']\n\
             scrape_configs:\n  - job_name: traffic-generator\n    static_configs: [{{targets: ['127.0.0.1:{metrics}']}}]\n",
            Path::new(env!("CARGO_MANIFEST_DIR")).join(ALERTS).display()
        );
        let file = folder.join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, url: format!("http://127.0.0.1:{port}") }),
            Err(error) => {
                eprintln!("skipped: prometheus cannot be started: {error}");
                None
            }
        }
    }

    /// Returns the result of a query, as promtool prints it.
    fn query(&self, expression: &str) -> Result<String, String> {
        let done = Done::of(Command::new("promtool").args(["query", "instant", &self.url, expression]));
        if done.code == 0 { Ok(done.stdout) } else { Err(done.output()) }
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_real_prometheus_reads_the_port_loads_the_alerts_and_answers_every_panel_of_the_dashboard() {
    let (mut world, port) = world();
    let folder = tempfile::TempDir::new().unwrap();
    let Some(prometheus) = Prometheus::start(folder.path(), port) else { return };
    world.wait_for("the guard in Prometheus", |_| match prometheus.query("up == 1") {
        Ok(found) if found.contains("traffic-generator") => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let dashboard: Value = serde_json::from_str(&read(DASHBOARD)).unwrap();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!((&variables[0]["name"], &variables[0]["type"]), (&"datasource".into(), &"datasource".into()));
    let mut count = 0;
    for panel in dashboard["panels"].as_array().unwrap() {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
        for target in panel["targets"].as_array().unwrap() {
            count += 1;
            let expression = target["expr"].as_str().unwrap().replace("$job", ".*");
            world.wait_for(&expression, |_| match prometheus.query(&expression) {
                Ok(found) if !found.trim().is_empty() => Ok(()),
                other => Err(format!("{}: {other:?}", panel["title"])),
            });
        }
    }
    assert!(count > 20, "{count} expressions");
    // The alerts are loaded and fire: nothing leads once the guard is gone.
    assert_eq!(prometheus.query("ALERTS{alertstate=\"firing\"}").unwrap().trim(), "");
    world.guard.stop();
    let away = "ALERTS{alertname=\"TrafficGeneratorAway\"}";
    let start = std::time::Instant::now();
    while prometheus.query(away).unwrap().trim().is_empty() {
        assert!(start.elapsed() < crate::helper::PATIENCE, "no alert is pending");
    }
}
