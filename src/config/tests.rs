//! Tests of the shipped file, of every key, and of the messages about mistakes.

mod alerts;
mod groups;
mod values;

use super::*;

use chrono::NaiveTime;
use proptest::prelude::*;
use secrecy::ExposeSecret;

use crate::domain::money::{Clicks, Money, Percent};
use crate::domain::policy::{Group, HighSpend, Mode, PolicyNumbers, SharedLimit};
use crate::store::Password;

const SHIPPED: &str = include_str!("../../config.toml");

fn environment<const N: usize>(variables: [(&str, &str); N]) -> Environment {
    variables.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn parse<const N: usize>(text: &str, variables: [(&str, &str); N]) -> Result<Config, ConfigErrors> {
    Config::parse(Path::new("config.toml"), text, &environment(variables))
}

fn config(text: &str) -> Config {
    parse(text, []).unwrap_or_else(|errors| panic!("{text}\n{errors}"))
}

/// A config that gives only one key, with its default value.
const ALMOST_EMPTY: &str = "[log]\nfilter = \"info\"";

#[test]
fn a_config_that_gives_no_key_is_refused() {
    for text in ["", "\n", "# [generator]\n", "[generator]\n", "[database]\n[generator]\n[log]\n"] {
        let found = messages(text, []);
        assert!(matches!(&found[..], [one] if one.contains("the file gives no key")), "{text:?}: {found:?}");
    }
    assert_eq!(messages("", [("TRAFFIC_GENERATOR__LOG__FILTER", "info")]), [""; 0], "the environment gives one");
}

/// Returns the messages about a config; a valid config has none.
fn messages<const N: usize>(text: &str, variables: [(&str, &str); N]) -> Vec<String> {
    parse(text, variables).err().map(|errors| errors.lines().collect()).unwrap_or_default()
}

/// Checks that one `key = value` line below `[section]` is refused: by one message, about line 2 and the key, that
/// contains `expected`.
fn assert_refused(section: &str, key: &str, value: &str, expected: &str) {
    let found = messages(&format!("[{section}]\n{key} = {value}"), []);
    let start = format!("config.toml:2: {section}.{key}: ");
    assert!(
        matches!(found.as_slice(), [one] if one.starts_with(&start) && one.contains(expected)),
        "{section}.{key} = {value}\nexpected: {start}…{expected}…\nfound: {found:#?}"
    );
}

fn assert_accepted(section: &str, key: &str, value: &str) {
    let found = messages(&format!("[{section}]\n{key} = {value}"), []);
    assert!(found.is_empty(), "{section}.{key} = {value}\nfound: {found:#?}");
}

#[test]
fn the_shipped_file_holds_the_defaults_and_gives_no_warning() {
    let shipped = config(SHIPPED);
    let given = shipped.given.clone();
    assert_eq!(shipped, Config { given, ..config(ALMOST_EMPTY) });
    assert_eq!(shipped.warnings, Vec::<String>::new());
    assert_eq!(*shipped.generator, PolicyNumbers::default());
}

/// Returns the keys of a section, as the message about an unknown key lists them.
fn keys_of(section: &str) -> Vec<String> {
    let is_list = ["alerts", "groups"].contains(&section);
    let section = if is_list { format!("[[{section}]]") } else { format!("[{section}]") };
    let found = messages(&format!("{section}\nzzz = 1"), []);
    let keys = found.iter().find_map(|line| Some(line.split_once(" are ")?.1)).unwrap_or_else(|| panic!("{found:?}"));
    keys.split(", ").map(str::to_owned).collect()
}

#[test]
fn the_shipped_file_shows_every_key_and_no_other() {
    // The file shows the keys without a default as comments.
    let without_default = [
        "[[alerts]]",
        "[[groups]]",
        "command",
        "contested_backoff",
        "daily_budget",
        "digest",
        "group_wait",
        "high_activate_clicks",
        "high_pause_clicks",
        "high_spend",
        "implausible_clicks",
        "listen",
        "name",
        "occasions",
        "password_file",
        "price_per_thousand",
        "quiet",
        "remind_after",
        "resolved",
        "secret_file",
        "severity",
        "spend_limit",
        "template",
        "top_up_ceiling",
        "url",
        "url_file",
        "warn_at",
    ];
    let shown = |line: &str| {
        let key = line.strip_prefix("# ").filter(|key| {
            without_default.contains(key) || key.split_once(" =").is_some_and(|(key, _)| without_default.contains(&key))
        });
        key.unwrap_or(line).to_owned() + "\n"
    };
    let shipped: String = SHIPPED.lines().map(shown).collect();
    let shipped: toml::Table = toml::from_str(&shipped).unwrap();
    for (section, shown) in &shipped {
        let one = shown.as_array().and_then(|sections| sections.first()).unwrap_or(shown);
        let shown: Vec<&String> = one.as_table().unwrap().keys().collect();
        assert_eq!(shown, keys_of(section).iter().collect::<Vec<_>>(), "[{section}]");
    }
    let found = messages("[zzz]", []).join("\n");
    let sections: Vec<&str> = shipped.keys().map(String::as_str).collect();
    assert!(found.ends_with(&format!("the sections are {}", sections.join(", "))), "{found}");
}

#[test]
fn the_defaults_are_the_documented_ones() {
    let config = config(ALMOST_EMPTY);
    assert_eq!(config.database.url.expose(), "sqlite://traffic-generator.db");
    assert_eq!((config.database.password_file, config.database.keep_history), (None, Duration::from_hours(90 * 24)));
    assert_eq!(config.control.socket, Path::new("traffic-generator.sock"));
    assert_eq!(config.control.mode, 0o600);
    assert_eq!(config.trafficstar.base_url, "https://api.trafficstars.com");
    assert_eq!(config.trafficstar.api_key_file, Path::new("/etc/traffic-generator/api-key"));
    assert_eq!(config.trafficstar.requests_per_minute, 90);
    assert_eq!(config.trafficstar.timeout, Duration::from_secs(15));
    assert_eq!(config.trafficstar.confirm_within, Duration::from_secs(30));
    assert_eq!(config.metrics, MetricsConfig { listen: None, per_campaign: false });
    assert_eq!(config.display, DisplayConfig { time_zone: chrono_tz::Tz::UTC, digest: None });
    assert_eq!(config.alerts, []);
    assert_eq!(config.log.filter.as_str(), "info");
    assert_eq!(config.log.format, LogFormat::Text);
}

fn limit(spend_limit: &str, high_spend: HighSpend) -> Option<SharedLimit> {
    Some(SharedLimit { spend_limit: spend_limit.parse().unwrap(), high_spend })
}

#[test]
fn every_key_sets_its_field() {
    let config = config(
        r#"
        [database]
        url = "postgres://ads@db/traffic"
        password_file = "/run/credentials/password"
        keep_history = "2years"
        [control]
        socket = "/run/x.sock"
        mode = "0660"
        [trafficstar]
        base_url = "http://127.0.0.1:9000/"
        api_key_file = "key"
        requests_per_minute = 7
        timeout = "3s"
        confirm_within = "4s"
        [generator]
        tick = "30s"
        cooldown = "1h 30m"
        spend_limit = "12.5"
        activate_clicks = 20_000
        pause_clicks = 0x10
        day_end = "22:30"
        warn_at = "75%"
        high_spend = "guard"
        high_activate_clicks = 300
        high_pause_clicks = 20
        price_per_thousand = "0.111"
        top_up_ceiling = "60"
        top_up_wait = "11m"
        top_up_interval = "13m"
        daily_budget = "12.75"
        contested_after = 0
        contested_backoff = "15m"
        stored_spend_max_age = "0s"
        midnight_doubt = "2h"
        implausible_clicks = 10_000_000
        adopt_sets_end_time = true
        mode = "observe"
        [[groups]]
        name = "shoes"
        spend_limit = "200"
        high_spend = "pause"
        [[groups]]
        name = "boots"
        high_spend = "top-up"
        [account]
        spend_limit = "500.00"
        high_spend = "guard"
        [metrics]
        listen = "[::1]:9464"
        per_campaign = true
        [display]
        time_zone = "Europe/Berlin"
        digest = "08:30"
        [log]
        filter = "warn,traffic_generator=debug"
        format = "json"
        "#,
    );
    let (time_zone, digest) = (chrono_tz::Europe::Berlin, NaiveTime::from_hms_opt(8, 30, 0));
    assert_eq!(config.display, DisplayConfig { time_zone, digest });
    assert_eq!(config.database.url.expose(), "postgres://ads@db/traffic");
    assert_eq!(config.database.password_file.as_deref(), Some(Path::new("/run/credentials/password")));
    assert_eq!(config.database.keep_history, humantime::parse_duration("2years").unwrap());
    assert_eq!(config.control, ControlConfig { socket: "/run/x.sock".into(), mode: 0o660 });
    assert_eq!(
        config.trafficstar,
        TrafficStarConfig {
            base_url: "http://127.0.0.1:9000".to_owned(),
            api_key_file: "key".into(),
            requests_per_minute: 7,
            timeout: Duration::from_secs(3),
            confirm_within: Duration::from_secs(4),
        }
    );
    assert_eq!(
        *config.generator,
        PolicyNumbers {
            tick: chrono::Duration::seconds(30),
            cooldown: chrono::Duration::minutes(90),
            spend_limit: Money::from_micros(12_500_000).unwrap(),
            activate_clicks: Clicks(20_000),
            pause_clicks: Clicks(16),
            day_end: NaiveTime::from_hms_opt(22, 30, 0).unwrap(),
            warn_at: Some(Percent(75)),
            high_spend: HighSpend::Guard,
            high_activate_clicks: Some(Clicks(300)),
            high_pause_clicks: Some(Clicks(20)),
            price_per_thousand: Money::from_micros(111_000),
            top_up_ceiling: Money::from_micros(60_000_000),
            top_up_wait: chrono::Duration::minutes(11),
            top_up_interval: chrono::Duration::minutes(13),
            daily_budget: Money::from_micros(12_750_000),
            confirm_within: chrono::Duration::seconds(4),
            answer_within: chrono::Duration::seconds(3),
            contested_after: 0,
            contested_backoff: Some(chrono::Duration::minutes(15)),
            stored_spend_max_age: chrono::Duration::zero(),
            midnight_doubt: chrono::Duration::hours(2),
            implausible_clicks: Some(Clicks(10_000_000)),
            adopt_sets_end_time: true,
            mode: Mode::Observe,
            groups: [
                Group { name: "shoes".to_owned(), limit: limit("200", HighSpend::Pause), high_spend: None },
                Group { name: "boots".to_owned(), limit: None, high_spend: Some(HighSpend::TopUp) },
            ]
            .into(),
            account_limit: limit("500", HighSpend::Guard),
        }
    );
    assert_eq!(config.metrics, MetricsConfig { listen: Some("[::1]:9464".parse().unwrap()), per_campaign: true });
    assert_eq!((config.log.filter.as_str(), config.log.format), ("warn,traffic_generator=debug", LogFormat::Json));
}

#[test]
fn plain_http_is_for_loopback_addresses() {
    for url in ["http://localhost:80", "http://127.9.9.9", "http://[::1]:9000", "https://example.com/proxy"] {
        assert_accepted("trafficstar", "base_url", &format!("{url:?}"));
    }
    for url in ["http://0.0.0.0", "http://[::2]", "http://128.0.0.1", "http://127.0.0.1.example.com"] {
        assert_refused("trafficstar", "base_url", &format!("{url:?}"), "loopback address only");
    }
}

#[test]
fn all_mistakes_are_reported_at_once_in_the_order_of_the_file() {
    let text = r#"tick = "1m"
log = "info"
[generatr]
cooldown = "1x"
[generator]
tik = "1m"
pause_clicks = 20000
requests_per_minute = 5
day_end = "24:00"
nonsense = 1
[trafficstar]
timeout = 15
"#;
    let variables = [
        ("HOME", "/root"),
        ("TRAFFIC_GENERATOR__GENERATOR__MODE", "on"),
        ("TRAFFIC_GENERATOR__GENERATOR__COLDOWN", "1m"),
        ("TRAFFIC_GENERATOR_SERVICE_HOST", "10.0.0.1"),
    ];
    assert_eq!(
        messages(text, variables),
        [
            "config.toml:1: `tick` is not a key outside the sections; it belongs below [generator]",
            "config.toml:2: `log` is not a key outside the sections; write a line [log] and its keys below it",
            "config.toml:3: `generatr` is not a section; did you mean `generator`?",
            "config.toml:6: `generator.tik` is not a key; did you mean `tick`?",
            "config.toml:7: generator.pause_clicks: activate_clicks (15,000) must be above pause_clicks (20,000)",
            "config.toml:8: `generator.requests_per_minute` is not a key; it belongs below [trafficstar]",
            "config.toml:9: generator.day_end: \"24:00\" is not a time of day: write hours and minutes (UTC) from \
             \"00:01\" to \"23:59\"",
            "config.toml:10: `generator.nonsense` is not a key; the keys of [generator] are activate_clicks, \
             adopt_sets_end_time, contested_after, contested_backoff, cooldown, daily_budget, day_end, \
             high_activate_clicks, high_pause_clicks, high_spend, implausible_clicks, midnight_doubt, mode, pause_clicks, \
             price_per_thousand, spend_limit, stored_spend_max_age, tick, top_up_ceiling, top_up_interval, top_up_wait, \
             warn_at",
            "config.toml:12: trafficstar.timeout: 15 is not text in quotes: write a duration like \"90s\", \"2m\" or \
             \"1h 30m\"",
            "TRAFFIC_GENERATOR__GENERATOR__COLDOWN: `TRAFFIC_GENERATOR__GENERATOR__COLDOWN` is not a variable of this \
             program; did you mean `TRAFFIC_GENERATOR__GENERATOR__COOLDOWN`?",
            "TRAFFIC_GENERATOR__GENERATOR__MODE: generator.mode: `on` is not one of: act, observe",
        ]
    );
}

#[test]
fn the_first_line_that_is_not_toml_is_the_only_one_reported() {
    for (text, line) in [
        ("[generator]\ntick = 1m\n", 2),
        ("[generator]\ntick = \"1m\n", 2),
        ("[generator]\n\ntick =\n", 3),
        ("[generator\ntick = 5\n[log]\n", 1),
        ("[generator]\ntick = \"1m\"\ntick = \"2m\"\n", 3),
        ("[generator]\ntick \"1m\"\n", 2),
        ("[generator]\ntik = \"1m\"\nday_end = 24:00\n", 3),
    ] {
        let found = messages(text, []);
        let start = format!("config.toml:{line}: not valid TOML: ");

        assert!(matches!(found.as_slice(), [one] if one.starts_with(&start)), "{text}\n{found:#?}");
    }
}

#[test]
fn the_environment_beats_the_file() {
    let variables = [
        ("TRAFFIC_GENERATOR__GENERATOR__TICK", "30s"),
        ("TRAFFIC_GENERATOR__GENERATOR__PAUSE_CLICKS", "100"),
        ("TRAFFIC_GENERATOR__GENERATOR__ADOPT_SETS_END_TIME", "true"),
        ("TRAFFIC_GENERATOR__CONTROL__MODE", "0660"),
        ("TRAFFICSTAR_API_KEY", "this variable overrides no key"),
    ];
    let config = parse("[generator]\ntick = \"5m\"\ncooldown = \"7m\"\n", variables).unwrap();
    assert_eq!(config.generator.tick, chrono::Duration::seconds(30));
    assert_eq!(config.generator.cooldown, chrono::Duration::minutes(7));
    assert_eq!(config.generator.pause_clicks, Clicks(100));
    assert!(config.generator.adopt_sets_end_time);
    assert_eq!(config.control.mode, 0o660);
    let over_a_bad_value = [("TRAFFIC_GENERATOR__GENERATOR__TICK", "30s")];
    assert_eq!(messages("[generator]\ntick = 5", over_a_bad_value), Vec::<String>::new());
}

#[test]
fn the_error_about_a_misspelt_variable_suggests_the_right_one() {
    for name in [
        "TRAFFIC_GENERATOR__GENERATOR__TIK",
        "TRAFFIC_GENERATOR_GENERATOR_TICK",
        "TRAFIC_GENERATOR__GENERATOR__TICK",
        "traffic_generator__generator__tick",
    ] {
        let found = messages("", [(name, "30s")]);
        let meant = "did you mean `TRAFFIC_GENERATOR__GENERATOR__TICK`?";
        assert!(matches!(found.as_slice(), [one] if one.starts_with(name) && one.contains(meant)), "{found:#?}");
    }
    let found = messages("", [("TRAFFIC_GENERATOR__", "1")]);
    assert!(matches!(found.as_slice(), [one] if one.contains("SECTION__KEY")), "{found:#?}");
}

#[test]
fn an_allowed_value_that_looks_like_a_mistake_is_a_warning_with_its_line() {
    let text = "[trafficstar]\nrequests_per_minute = 101\ntimeout = \"0s\"\n";
    assert_eq!(
        config(text).warnings,
        [
            "config.toml:2: trafficstar.requests_per_minute: 101 is more than the 100 that TrafficStars allows one \
             account",
            "config.toml:3: trafficstar.timeout: with a time-out of 0 every request fails: write a duration like \
             \"15s\"",
        ]
    );
    let stand_in = "[trafficstar]\nrequests_per_minute = 101\nbase_url = \"http://127.0.0.1:8080\"\n";
    for text in ["[trafficstar]\nrequests_per_minute = 100\n", stand_in] {
        assert_eq!(parse(text, []).unwrap().warnings, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn no_secret_is_shown() {
    let secret = "hunter2";
    let texts = [
        format!("[database]\nurl = \"mysql://root:{secret}@db/x\""),
        format!("[database]\nurl = \"root:{secret}@db://x\""),
        format!("[database]\nurl = \"{secret}\""),
        format!("[database]\nurl = [\"{secret}\"]"),
        format!("[database]\nurl = postgres://root:{secret}@db/x"),
        format!("[database]\nurl = \"postgres://root:{secret}@db/x"),
        format!("[database]\nurl = {secret}"),
        format!("[database]\nurl \"postgres://root:{secret}@db/x\""),
        format!("[trafficstar]\nbase_url = \"https://root:{secret}@host\""),
        format!("[trafficstar]\napi_key = \"{secret}\""),
        format!("[trafficstar]\n{secret}="),
        format!("[trafficstar]\n{secret}"),
        format!("[trafficstar]\napi_key_file = [\"{secret}\"]"),
    ];
    for text in texts {
        let errors = parse(&text, []).expect_err(&text);
        for shown in [errors.to_string(), format!("{errors:?}")] {
            assert!(!shown.contains(secret), "{text}\n{shown}");
        }
    }
    let errors = parse("", [("TRAFFIC_GENERATOR__DATABASE__URL", secret)]).unwrap_err();
    assert!(!format!("{errors} {errors:?}").contains(secret), "{errors}");

    let good = config(&format!("[database]\nurl = \"postgres://root:{secret}@db/x\""));
    let shown = format!("{good:?}");
    assert!(shown.contains("postgres://db/x") && !shown.contains(secret), "{shown}");
}

#[test]
fn a_named_file_must_exist_and_the_first_existing_default_file_is_used() {
    let folder = tempfile::tempdir().unwrap();
    let [missing, first, second] = ["missing.toml", "first.toml", "second.toml"].map(|name| folder.path().join(name));
    std::fs::write(&first, "[generator]\ntick = \"1s\"").unwrap();
    std::fs::write(&second, "[generator]\ntick = \"2s\"").unwrap();
    let none = Environment::new();

    let error = Config::load(Some(&missing), &none).unwrap_err().to_string();
    assert!(error.contains("missing.toml") && error.contains("--config FILE"), "{error}");
    let error = Config::load(Some(folder.path()), &none).unwrap_err().to_string();
    assert!(error.contains("cannot be read") && !error.contains('\n'), "{error}");

    let loaded = Config::load_first(Reader::Command, &[&missing, &first, &second], true, &none).unwrap();
    assert_eq!((loaded.file, loaded.generator.tick), (first, chrono::Duration::seconds(1)));
    let error =
        Config::load_first(Reader::Command, &[&missing, folder.path(), &second], true, &none).unwrap_err().to_string();
    assert!(error.contains("cannot be read"), "the next file was used instead: {error}");
}

#[test]
fn the_api_key_is_read_from_the_environment_or_else_from_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("api-key");
    let config = config(&format!("[trafficstar]\napi_key_file = {:?}", file.to_str().unwrap()));
    let key = |variables: &Environment| config.api_key(variables).map(|key| key.expose_secret().to_owned());
    let none = Environment::new();

    let error = key(&none).unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()) && error.contains("TRAFFICSTAR_API_KEY"), "{error}");
    for (content, expected) in [
        (" \n", "is empty"),
        ("one two", "does not hold an API key"),
        ("a\nb\n", "does not hold an API key"),
        ("eyJhbGciOiJIUzI1Ni", "only a part of an API key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOi\n", "only a part of an API key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.", "only a part of an API key"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln.more", "only a part of an API key"),
    ] {
        std::fs::write(&file, content).unwrap();
        let error = key(&none).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains(file.to_str().unwrap()), "{error}");
        assert!(!error.contains("eyJhbG"), "{error}");
    }
    let whole = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln";
    std::fs::write(&file, whole).unwrap();
    assert_eq!(key(&none).unwrap(), whole);
    std::fs::write(&file, "from-file\n").unwrap();
    assert_eq!(key(&none).unwrap(), "from-file");
    assert_eq!(key(&environment([("TRAFFICSTAR_API_KEY", "from-environment")])).unwrap(), "from-environment");
    let error = key(&environment([("TRAFFICSTAR_API_KEY", "")])).unwrap_err().to_string();
    assert!(error.contains("TRAFFICSTAR_API_KEY") && error.contains("empty"), "{error}");
    assert!(!format!("{:?}", config.api_key(&none)).contains("from-file"));
}

#[test]
fn the_databases_password_is_read_from_the_environment_or_else_from_a_file() {
    let from = |config: &Config, variables: &Environment| match config.database_password(variables) {
        Some(Password::Text(text)) => text.expose_secret().to_owned(),
        Some(Password::File(file)) => file.display().to_string(),
        None => "none".to_owned(),
    };
    let (without, with) = (config(ALMOST_EMPTY), config("[database]\npassword_file = \"file\""));
    let [unset, empty, set] = [environment([]), environment([("PGPASSWORD", "")]), environment([("PGPASSWORD", "x")])];
    assert_eq!([&unset, &empty, &set].map(|variables| from(&without, variables)), ["none", "none", "x"]);
    assert_eq!([&unset, &empty, &set].map(|variables| from(&with, variables)), ["file", "file", "x"]);
    let hunter = environment([("PGPASSWORD", "hunter2")]);
    assert!(!format!("{:?}", without.database_password(&hunter)).contains("hunter2"));
}

#[test]
fn an_api_key_that_was_pasted_as_a_file_name_is_not_shown() {
    let config = config("[trafficstar]\napi_key_file = \"hunter2\"");
    let error = config.api_key(&Environment::new()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
}

proptest! {
    #[test]
    fn every_message_about_any_text_is_one_line_that_names_its_place(
        text in "((\\[{1,2}(generator|log|x)\\]{0,2}|(tick|day_end|pause_clicks|[a-z\"'.]{0,9}) ?=? \
            ?\\PC{0,12}|\\PC{0,20})\r?\n){0,8}",
        value in "\\PC{0,12}|[0-9]{1,30} ?(ns|ms|s|m|h|days|years)",
    ) {
        for line in messages(&text, [("TRAFFIC_GENERATOR__GENERATOR__COOLDOWN", value.as_str())]) {
            prop_assert!(line.starts_with("config.toml:") || line.starts_with("TRAFFIC_GENERATOR__"), "{}", line);
            prop_assert!(!line.contains(char::is_control), "{}", line);
        }
    }
}
