//! What keys do to the state, and what the state looks like: text on a grid, held against files.
//!
//! `UPDATE_SCREENS=1 cargo test top::tests` writes the files anew; read the difference before you believe it.

use std::path::PathBuf;

use chrono::{DateTime, Duration, Utc};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use serde_json::{Value, json};

use super::app::{App, Focus, Notice, Order};
use super::draw::{self, theme::Theme};
use super::limits::Limits;
use crate::domain::ids::CampaignId;
use crate::domain::policy::PolicyNumbers;
use crate::domain::status::Dump;

fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

/// A time before (or after) noon, as the dump writes it.
fn noon_plus(seconds: i64) -> String {
    (noon() + Duration::seconds(seconds)).to_rfc3339()
}

/// A campaign that runs and needs nothing, with some of its fields replaced.
fn campaign(id: i64, name: &str, changes: &Value) -> Value {
    let mut campaign = json!({
        "id": id, "name": name, "trafficstar_id": 1000 + id,
        "state": "active-guarded", "since": noon_plus(-3725), "cooling_down_until": null, "next_tick_at": noon_plus(42),
        "high_spend": false, "contested": false, "unguarded": false, "blocked": null,
        "ordered": {"generator_enabled": true, "mode": "act", "hold": null},
        "observed": {
            "status": "running", "remote_status": "enabled", "remote_active": true,
            "schedule_end_time": "2026-11-22 23:59:00", "status_at": noon_plus(-18),
            "spend": "3.21", "spend_source": "campaign", "spend_day": "2026-11-22", "spend_at": noon_plus(-18),
            "remaining_clicks": 20_000, "clicks_at": noon_plus(-18),
        },
        "action": {
            "kind": "activate", "step": "confirmed", "reason": "18,000 clicks left, 15,000 or more run it",
            "requested_at": noon_plus(-3725), "accepted_at": noon_plus(-3724), "confirmed_at": noon_plus(-3720),
            "error": null,
        },
        "stored": {"state": "active-guarded", "at": noon_plus(-3725)},
        "actor": {
            "status": "running", "incarnation": 1, "restarts": 0, "ticks": 120, "skipped_ticks": 0,
            "last_tick_at": noon_plus(-18), "last_tick_ms": 84, "handling": null,
        },
        "last_error": null,
    });
    replace(&mut campaign, changes);
    campaign
}

/// Replaces what `changes` has; only fields that are there.
fn replace(fields: &mut Value, changes: &Value) {
    for (name, change) in changes.as_object().unwrap() {
        let field = fields.get_mut(name).unwrap_or_else(|| panic!("no {name}"));
        if field.is_object() && change.is_object() { replace(field, change) } else { *field = change.clone() }
    }
}

fn dump(campaigns: &[Value]) -> Dump {
    let dump = json!({
        "version": 1, "program": "0.1.0", "pid": 4242, "sequence": 17,
        "captured_at": noon_plus(0), "started_at": noon_plus(-86_400), "uptime_seconds": 86_400,
        "supervisor": {"campaigns": campaigns.len(), "restarts": 0, "last_sync_at": noon_plus(-18)},
        "trafficstar": {
            "circuit": "closed", "token_expires_at": noon_plus(3600),
            "queue": {"pause": 0, "read_back": 1, "sweep": 20, "activate": 0, "read": 0},
            "requests_last_minute": 40, "requests_per_minute": 90, "blocked_until": null, "last_error": null,
        },
        "database": {"kind": "sqlite", "last_error": null},
        "campaigns": campaigns,
    });
    serde_json::from_value(dump).unwrap()
}

/// One of each kind that an operator meets.
fn several() -> Vec<Value> {
    let travel = json!({
        "state": "cooling-down", "since": noon_plus(-6), "cooling_down_until": noon_plus(114),
        "observed": {"status": "stopped", "remote_status": "paused", "remaining_clicks": 3_996, "spend": "1.667"},
        "action": {
            "kind": "pause", "reason": "it runs with 4,134 clicks left, 5,000 or fewer pause it (spend 1.66)",
            "requested_at": noon_plus(-6), "accepted_at": noon_plus(-6), "confirmed_at": noon_plus(-5),
        },
    });
    let watches = json!({"state": "idle", "high_spend": true, "unguarded": true, "observed": {"spend": "10.87"}});
    let insurance = json!({
        "observed": {"spend": null, "spend_source": null, "status": "unknown"},
        "last_error": "TrafficStars answered 503 to the status",
    });
    let garden = json!({"action": {"step": "accepted", "requested_at": noon_plus(-12)}});
    let music = json!({
        "actor": null, "ordered": {"generator_enabled": false}, "state": "idle", "observed": {"remaining_clicks": 0},
    });
    let books = json!({"ordered": {"hold": {
        "reason": "new landing page", "since": noon_plus(-600), "until": noon_plus(6600), "by": "1000 (anna)", "pause": false,
    }}});
    let blocked = json!({
        "blocked": "out of funds: pay some in", "last_error": "out of funds", "observed": {"status": "blocked"},
    });
    vec![
        campaign(1, "shoes", &json!({})),
        campaign(2, "travel", &travel),
        campaign(3, "half way to its pause", &json!({"observed": {"remaining_clicks": 8_000}})),
        campaign(4, "watches", &watches),
        campaign(5, "insurance", &insurance),
        campaign(6, "garden", &garden),
        campaign(7, "music", &music),
        campaign(8, "books", &books),
        campaign(9, "blocked one", &blocked),
    ]
}

fn app_with(campaigns: &[Value]) -> App {
    let mut app = App::new(Limits::new(&PolicyNumbers::default(), Some("config.toml".into())));
    app.receive(dump(campaigns), noon());
    app
}

/// Types keys: a character each, `⏎` and `⎋` and `⌫` being what they look like.
fn press(app: &mut App, keys: &str) -> Vec<Order> {
    let code = |letter| match letter {
        '⏎' => KeyCode::Enter,
        '⎋' => KeyCode::Esc,
        '⌫' => KeyCode::Backspace,
        '↓' => KeyCode::Down,
        '↑' => KeyCode::Up,
        '⇟' => KeyCode::PageDown,
        '⇞' => KeyCode::PageUp,
        '⤒' => KeyCode::Home,
        '⤓' => KeyCode::End,
        letter => KeyCode::Char(letter),
    };
    keys.chars().filter_map(|letter| app.press(KeyEvent::from(code(letter)))).collect()
}

fn draw_at(app: &App, theme: Theme, now: DateTime<Utc>, width: u16, height: u16) -> (Buffer, usize) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut furthest = 0;
    terminal.draw(|frame| furthest = draw::draw(frame, app, theme, now)).unwrap();
    (terminal.backend().buffer().clone(), furthest)
}

fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let row = |cells: &[ratatui::buffer::Cell]| {
        cells.iter().map(ratatui::buffer::Cell::symbol).collect::<String>().trim_end().to_owned() + "\n"
    };
    buffer.content.chunks(width).map(row).collect()
}

/// Holds what is drawn 18 seconds after the last reading against the file of this name.
fn assert_screen(name: &str, app: &App, (width, height): (u16, u16)) {
    let drawn = text_of(&draw_at(app, Theme::PLAIN, noon() + Duration::seconds(1), width, height).0);
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/data/top/{name}_{width}x{height}.txt"));
    if std::env::var_os("UPDATE_SCREENS").is_some() {
        std::fs::write(&file, &drawn).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(drawn == expected, "{} differs; it should be\n{expected}\nand is\n{drawn}", file.display());
}

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

#[test]
fn the_list_and_the_details_fit_any_terminal() {
    let mut app = app_with(&several());
    // Two further readings, so that there is something to see over time.
    for minute in [1, 2] {
        let mut campaigns = several();
        for campaign in &mut campaigns {
            let at = json!(noon_plus(-18 + 60 * minute));
            campaign["observed"]["spend_at"] = at.clone();
            campaign["observed"]["clicks_at"] = at;
            campaign["observed"]["remaining_clicks"] = json!(20_000 - 3_000 * minute);
        }
        app.receive(dump(&campaigns), noon());
    }
    app.receive(dump(&several()), noon());
    for size in [SMALL, LARGE, (180, 50), (72, 16), (71, 24)] {
        assert_screen("list", &app, size);
    }
}

#[test]
fn what_is_over_the_list_fits_any_terminal() {
    for (name, keys) in [
        ("help", "?"),
        ("process", "p"),
        ("hold", "↓hnew page"),
        ("hold_without_reason", "h⏎"),
        ("pause_all", "Pthe bank called"),
        ("filter", "/shoes"),
        ("filtered", "/shoes⏎"),
        ("filter_without_result", "/nothing"),
        ("enlarged", "⏎"),
    ] {
        let mut app = app_with(&several());
        press(&mut app, keys);
        for size in [SMALL, LARGE] {
            assert_screen(name, &app, size);
        }
    }
}

#[test]
fn the_lost_supervisor_and_the_explanation_are_shown() {
    let mut app = app_with(&several());
    press(&mut app, "/shoes⏎");
    app.explain(
        CampaignId(1),
        Some("It runs because 20,000 clicks are left.\n\nNext\n  12:00:42: it is read".to_owned()),
    );
    assert_screen("explained", &app, LARGE);
    app.trouble = Some("NO SUPERVISOR".to_owned());
    app.notice = Some(Notice { text: "process 1: there is no campaign 1".to_owned(), is_problem: true });
    assert_screen("lost", &app, SMALL);
    app.explain(CampaignId(2), Some("about another campaign".to_owned()));
    assert!(!text_of(&draw_at(&app, Theme::PLAIN, noon(), 120, 40).0).contains("another"));
}

#[test]
fn limits_that_no_config_told_are_named_as_defaults() {
    let mut app = App::new(Limits::new(&PolicyNumbers::default(), None));
    app.receive(dump(&several()), noon());
    press(&mut app, "?");
    assert_screen("help_with_defaults", &app, SMALL);
}

#[test]
fn trouble_of_the_surroundings_has_a_line_of_its_own() {
    let mut app = app_with(&several());
    let mut troubled = dump(&several());
    troubled.trafficstar.circuit = "open".to_owned();
    troubled.trafficstar.blocked_until = Some(noon() + Duration::seconds(31));
    troubled.database.last_error = Some("disk full".to_owned());
    app.receive(troubled, noon());
    assert_screen("trouble", &app, SMALL);
}

#[test]
fn nothing_at_all_is_shown_as_such() {
    assert_screen("empty", &app_with(&[]), SMALL);
}

#[test]
fn what_needs_attention_comes_first_then_what_is_near_a_threshold() {
    let app = app_with(&several());
    let order: Vec<i64> = app.listed_from(0).map(|campaign| campaign.id.0).collect();
    // Error, unguarded, blocked, unconfirmed; then by distance; what nobody guards last.
    assert_eq!(order, [5, 4, 9, 6, 3, 1, 8, 2, 7]);
    assert_eq!(app.attention_count(), 4);
}

#[test]
fn each_key_does_its_one_thing() {
    let hold = |reason: &str| Order::Hold(CampaignId(5), reason.to_owned());
    let pause_all = |reason: &str| Order::PauseAll(reason.to_owned());
    let process = |id| Order::Process(CampaignId(id));
    let cases: [(&str, Vec<Order>, i64); 27] = [
        ("", vec![], 5),
        ("↓", vec![], 4),
        ("jj", vec![], 9),
        ("jjk↑", vec![], 5),
        ("↑", vec![], 5),
        ("⇟", vec![], 7),
        ("⤓", vec![], 7),
        ("⤓⇞", vec![], 5),
        ("⤓⤒", vec![], 5),
        ("p⏎", vec![process(5)], 5),
        ("py", vec![process(5)], 5),
        ("pn", vec![], 5),
        ("p⎋⏎", vec![], 5),
        ("px↓y", vec![process(5)], 5),
        ("r⏎", vec![Order::Release(CampaignId(5))], 5),
        ("hnew⏎", vec![hold("new")], 5),
        ("h⏎", vec![], 5),
        ("h ⏎", vec![], 5),
        ("h⏎late⏎", vec![hold("late")], 5),
        ("hab⌫c⏎", vec![hold("ac")], 5),
        ("hqpr⎋", vec![], 5),
        ("Pnow⏎", vec![pause_all("now")], 5),
        ("P⏎", vec![], 5),
        ("/shoes⏎p⏎", vec![process(1)], 1),
        ("/shoes⎋", vec![], 5),
        ("/shoes⏎⎋", vec![], 5),
        ("?p⏎⏎", vec![], 5),
    ];
    for (keys, orders, selected) in cases {
        let mut app = app_with(&several());
        assert_eq!(press(&mut app, keys), orders, "{keys}");
        assert_eq!(app.selected().map(|campaign| campaign.id.0), Some(selected), "{keys}");
        assert!(!app.ended, "{keys}");
    }
}

#[test]
fn q_and_control_c_end_the_view_wherever_the_keyboard_is() {
    for keys in ["q", "⏎q"] {
        let mut app = app_with(&several());
        press(&mut app, keys);
        assert!(app.ended, "{keys}");
    }
    for keys in ["", "/sho", "hreason", "P", "?", "⏎"] {
        let mut app = app_with(&several());
        press(&mut app, keys);
        assert_eq!(app.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), None);
        assert!(app.ended, "{keys}");
    }
}

#[test]
fn the_filter_looks_at_all_that_is_shown() {
    let cases: [(&str, &[i64]); 9] = [
        ("shoes", &[1]),
        ("SHOES", &[1]),
        ("8", &[8]),
        ("1008", &[8]),
        ("cooling", &[2]),
        ("out of funds", &[9]),
        ("hold", &[8]),
        ("not guarded", &[7]),
        ("nothing", &[]),
    ];
    for (filter, expected) in cases {
        let mut app = app_with(&several());
        press(&mut app, &format!("/{filter}⏎"));
        let listed: Vec<i64> = app.listed_from(0).map(|campaign| campaign.id.0).collect();
        assert_eq!(listed, expected, "{filter}");
    }
}

#[test]
fn an_order_without_a_campaign_is_not_asked_for() {
    for keys in ["p", "h", "r"] {
        let mut app = app_with(&[]);
        press(&mut app, keys);
        assert_eq!((app.focus, app.notice.unwrap().is_problem), (Focus::List, true), "{keys}");
    }
}

#[test]
fn the_selection_stays_with_its_campaign_and_the_first_with_the_first() {
    let worse = |id: usize| {
        let mut campaigns = several();
        campaigns[id - 1]["last_error"] = json!("worse than before");
        dump(&campaigns)
    };
    let mut app = app_with(&several());
    press(&mut app, "↓↓");
    app.receive(worse(1), noon());
    assert_eq!(app.selected().unwrap().id, CampaignId(9));
    press(&mut app, "⤒");
    app.receive(worse(2), noon());
    assert_eq!(app.selected().unwrap().id, CampaignId(2));
}

#[test]
fn a_dialog_keeps_its_campaign_whatever_the_list_does() {
    let mut app = app_with(&several());
    press(&mut app, "p");
    app.receive(dump(&several()[..1]), noon());
    assert_eq!(press(&mut app, "⏎"), [Order::Process(CampaignId(5))]);
}

#[test]
fn enlarged_details_scroll_no_further_than_there_is_something_to_see() {
    let mut app = app_with(&several());
    app.explain(CampaignId(5), Some("a line\n".repeat(30)));
    press(&mut app, "⏎⤓");
    let (_, furthest) = draw_at(&app, Theme::PLAIN, noon(), 80, 24);
    app.bound_scroll(furthest);
    assert!(furthest > 0);
    press(&mut app, "↑");
    assert_eq!(app.details_scroll, furthest - 1);
    press(&mut app, "⏎");
    assert_eq!((app.details_scroll, app.selected().unwrap().id), (0, CampaignId(5)));
}

#[test]
fn colours_say_the_state_and_without_them_nothing_is_coloured() {
    let app = app_with(&several());
    let colors = |theme| {
        let buffer = draw_at(&app, theme, noon(), 120, 40).0;
        let cells = buffer.content.iter().map(|cell| (cell.fg, cell.bg));
        cells.flat_map(|(fg, bg)| [fg, bg]).collect::<std::collections::HashSet<Color>>()
    };
    assert_eq!(colors(Theme::PLAIN), [Color::Reset].into());
    for color in [Color::Green, Color::Yellow, Color::Red, Color::Blue, Color::Cyan] {
        assert!(colors(Theme::COLORED).contains(&color), "{color}");
    }
}

#[test]
fn a_restarted_supervisor_is_mentioned_and_ends_the_trouble() {
    let mut app = app_with(&several());
    app.trouble = Some("NO SUPERVISOR".to_owned());
    let mut another = dump(&several());
    another.started_at = noon();
    app.receive(another, noon());
    assert_eq!(app.trouble, None);
    assert!(app.notice.unwrap().text.contains("restarted"));
}

#[test]
fn ten_thousand_campaigns_stay_usable() {
    let many: Vec<Value> = (1..=10_000).map(|id| campaign(id, "one of many", &json!({}))).collect();
    let mut app = app_with(&many);
    press(&mut app, "⤓");
    let drawn = text_of(&draw_at(&app, Theme::PLAIN, noon(), 80, 24).0);
    assert!(drawn.contains("10000 one of many") && !drawn.contains(" 9900 "), "{drawn}");
    press(&mut app, "/77⏎");
    assert_eq!(app.listed_count(), 1);
}
