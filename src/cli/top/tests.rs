//! What keys do to the state, and how the state is drawn: text on a grid, compared with files.
//!
//! `UPDATE_SCREENS=1 cargo test top::tests` rewrites the files; review the difference before you keep it.

use chrono::{DateTime, Duration, Utc};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::{Buffer, Cell};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::style::Color;
use ratatui::text::{Line, Span};
use serde_json::{Value, json};

use super::app::{App, Focus, Notice, Order, State};
use super::draw;
use crate::cli::draw::paper::written;
use crate::cli::draw::theme::Theme;
use crate::cli::tests::{assert_drawn, campaign, dump, explanation, health, noon, noon_plus, several};
use crate::control::Alerts;
use crate::domain::alert::OccasionId;
use crate::domain::explain::{Explanation, NextStep};
use crate::domain::ids::CampaignId;
use crate::domain::status::Dump;

fn app_with(campaigns: &[Value]) -> App {
    let mut app = App::default();
    receive(&mut app, dump(campaigns));
    app
}

fn receive(app: &mut App, dump: Dump) {
    app.receive(State { dump, health: health(&[]), alerts: Alerts::default() }, noon());
}

/// Presses keys, one per character. `⏎` is Enter, `⎋` is Escape, `⌫` is Backspace.
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

fn draw_at(app: &App, theme: Theme, now: DateTime<Utc>, width: u16, height: u16) -> (Buffer, Option<usize>) {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let mut furthest = None;
    terminal.draw(|frame| furthest = draw::draw(frame, app, theme, now)).unwrap();
    (terminal.backend().buffer().clone(), furthest)
}

fn text_of(buffer: &Buffer) -> String {
    let width = usize::from(buffer.area.width);
    let row = |cells: &[Cell]| cells.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned() + "\n";
    buffer.content.chunks(width).map(row).collect()
}

/// Returns the rows with their colours.
fn lines_of(buffer: &Buffer) -> Vec<Line<'static>> {
    let rows = buffer.content.chunks(usize::from(buffer.area.width));
    let spans = |cells: &[Cell]| -> Line<'static> {
        let alike = cells.chunk_by(|one, other| one.style() == other.style());
        alike
            .map(|cells| {
                let text: String = cells.iter().map(Cell::symbol).collect();
                Span::styled(text, cells[0].style())
            })
            .collect()
    };
    rows.map(spans).collect()
}

/// Compares the screen, a second after the dump, with the file of this name.
fn assert_screen(name: &str, app: &App, (width, height): (u16, u16)) {
    let drawn = text_of(&draw_at(app, Theme::PLAIN, noon() + Duration::seconds(1), width, height).0);
    assert_drawn(&format!("top/{name}_{width}x{height}"), &drawn);
}

const SMALL: (u16, u16) = (80, 24);
const LARGE: (u16, u16) = (120, 40);

#[test]
fn the_list_and_the_details_fit_any_terminal() {
    let mut app = app_with(&several());
    // Two further readings, so that the sparklines show a change.
    for minute in [1, 2] {
        let mut campaigns = several();
        for campaign in &mut campaigns {
            let at = json!(noon_plus(-18 + 60 * minute));
            campaign["observed"]["spend_at"] = at.clone();
            campaign["observed"]["clicks_at"] = at;
            campaign["observed"]["remaining_clicks"] = json!(20_000 - 3_000 * minute);
        }
        receive(&mut app, dump(&campaigns));
    }
    receive(&mut app, dump(&several()));
    for size in [SMALL, LARGE, (180, 50), (72, 16), (71, 24), (60, 24)] {
        assert_screen("list", &app, size);
    }
    for (width, height) in [SMALL, LARGE, (60, 24)] {
        let drawn = draw_at(&app, Theme::COLORED, noon() + Duration::seconds(1), width, height).0;
        assert_drawn(&format!("top/list_colored_{width}x{height}"), &written(&lines_of(&drawn), Theme::COLORED));
    }
}

#[test]
fn dialogs_filter_and_details_fit_any_terminal() {
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
    app.explain(Some(explanation(1)));
    assert_screen("explained", &app, LARGE);
    app.trouble = Some("NO SUPERVISOR".to_owned());
    app.notice = Some(Notice { text: "process 1: there is no campaign 1".to_owned(), is_problem: true });
    assert_screen("lost", &app, SMALL);
    app.trouble = None;
    app.explain(Some(explanation(2)));
    assert!(
        !text_of(&draw_at(&app, Theme::PLAIN, noon(), 120, 40).0).contains("Autumn"),
        "it is about another campaign"
    );
}

#[test]
fn trouble_of_trafficstars_and_the_database_has_a_line_of_its_own() {
    let mut app = app_with(&several());
    let mut troubled = dump(&several());
    troubled.trafficstar.circuit = "open".to_owned();
    troubled.trafficstar.blocked_until = Some(noon() + Duration::seconds(31));
    troubled.database.last_error = Some("disk full".to_owned());
    receive(&mut app, troubled);
    assert_screen("trouble", &app, SMALL);
}

#[test]
fn without_campaigns_the_view_says_so() {
    assert_screen("empty", &app_with(&[]), SMALL);
}

#[test]
fn campaigns_that_need_attention_come_first_then_those_near_a_threshold() {
    let app = app_with(&several());
    let order: Vec<i64> = app.listed_from(0).map(|campaign| campaign.id.0).collect();
    // Unguarded, error, blocked; then by distance; the campaign that is not guarded comes last.
    assert_eq!(order, [4, 5, 9, 3, 1, 6, 8, 2, 7]);
    assert_eq!(app.attention_count(), 3);
}

#[test]
fn each_key_does_its_one_thing() {
    let hold = |reason: &str| Order::Hold(CampaignId(4), reason.to_owned());
    let pause_all = |reason: &str| Order::PauseAll(reason.to_owned());
    let process = |id| Order::Process(CampaignId(id));
    let cases: [(&str, Vec<Order>, i64); 36] = [
        ("", vec![], 4),
        ("↓", vec![], 5),
        ("jj", vec![], 9),
        ("jjk↑", vec![], 4),
        ("↑", vec![], 4),
        ("⇟", vec![], 7),
        ("⤓", vec![], 7),
        ("⤓⇞", vec![], 4),
        ("⤓⤒", vec![], 4),
        ("p⏎", vec![process(4)], 4),
        ("py", vec![process(4)], 4),
        ("pn", vec![], 4),
        ("p⎋⏎", vec![], 4),
        ("px↓y", vec![process(4)], 4),
        ("r⏎", vec![Order::Release(CampaignId(4))], 4),
        ("hnew⏎", vec![hold("new")], 4),
        ("h⏎", vec![], 4),
        ("h ⏎", vec![], 4),
        ("h⏎late⏎", vec![hold("late")], 4),
        ("hab⌫c⏎", vec![hold("ac")], 4),
        ("hqpr⎋", vec![], 4),
        ("Pnow⏎", vec![pause_all("now")], 4),
        ("P⏎", vec![], 4),
        ("/shoes⏎p⏎", vec![process(1)], 1),
        ("/shoes⎋", vec![], 4),
        ("/shoes⏎⎋", vec![], 4),
        ("?p⏎⏎", vec![], 4),
        ("R⏎", vec![Order::ReleaseAll], 4),
        ("Rn", vec![], 4),
        ("e⏎", vec![Order::Enable(CampaignId(4))], 4),
        ("dy", vec![Order::Disable(CampaignId(4))], 4),
        ("!⤓", vec![], 9),
        ("s", vec![], 9),
        ("ss", vec![], 4),
        ("sss", vec![], 7),
        ("ssss", vec![], 4),
    ];
    for (keys, orders, selected) in cases {
        let mut app = app_with(&several());
        assert_eq!(press(&mut app, keys), orders, "{keys}");
        assert_eq!(app.selected().map(|campaign| campaign.id.0), Some(selected), "{keys}");
        assert!(!app.ended, "{keys}");
    }
}

#[test]
fn a_terminal_without_room_for_questions_asks_none() {
    let mut app = app_with(&several());
    let (_, furthest) = draw_at(&app, Theme::PLAIN, noon(), 71, 24);
    press(&mut app, "P");
    app.drawn(furthest);
    assert_eq!(press(&mut app, "now⏎p⏎"), []);
    app.drawn(draw_at(&app, Theme::PLAIN, noon(), 80, 24).1);
    assert_eq!(press(&mut app, "p⏎"), [Order::Process(CampaignId(4))]);
}

#[test]
fn q_and_control_c_end_the_view_in_every_focus() {
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
fn the_filter_searches_everything_that_is_shown() {
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
fn without_a_selected_campaign_no_order_can_be_given() {
    for keys in ["p", "h", "r"] {
        let mut app = app_with(&[]);
        press(&mut app, keys);
        assert_eq!((app.focus, app.notice.unwrap().is_problem), (Focus::List, true), "{keys}");
    }
}

#[test]
fn a_selection_follows_its_campaign_and_the_first_place_stays_first() {
    let worse = |id: usize| {
        let mut campaigns = several();
        campaigns[id - 1]["unguarded"] = json!(true);
        campaigns[id - 1]["observed"]["remaining_clicks"] = json!(5_000);
        dump(&campaigns)
    };
    let mut app = app_with(&several());
    press(&mut app, "↓↓");
    receive(&mut app, worse(1));
    assert_eq!(app.selected().unwrap().id, CampaignId(9));
    press(&mut app, "⤒");
    receive(&mut app, worse(3));
    assert_eq!(app.selected().unwrap().id, CampaignId(3));
}

#[test]
fn a_dialog_keeps_its_campaign_when_the_list_changes() {
    let mut app = app_with(&several());
    press(&mut app, "p");
    receive(&mut app, dump(&several()[..1]));
    assert_eq!(press(&mut app, "⏎"), [Order::Process(CampaignId(4))]);
}

#[test]
fn enlarged_details_scroll_to_their_last_line_at_most() {
    let mut app = app_with(&several());
    let next = NextStep { unless: vec!["a line".to_owned(); 30], ..explanation(4).next };
    app.explain(Some(Explanation { next, ..explanation(4) }));
    press(&mut app, "⏎⤓");
    let (_, furthest) = draw_at(&app, Theme::PLAIN, noon(), 80, 24);
    app.drawn(furthest);
    let furthest = furthest.unwrap();
    assert!(furthest > 0);
    press(&mut app, "↑");
    assert_eq!(app.details_scroll, furthest - 1);
    press(&mut app, "⏎");
    assert_eq!((app.details_scroll, app.selected().unwrap().id), (0, CampaignId(4)));
}

#[test]
fn a_coloured_theme_uses_each_colour_and_a_plain_one_none() {
    let app = app_with(&several());
    let colors = |theme| {
        let buffer = draw_at(&app, theme, noon(), 120, 40).0;
        let cells = buffer.content.iter().map(|cell| (cell.fg, cell.bg));
        cells.flat_map(|(fg, bg)| [fg, bg]).collect::<std::collections::HashSet<Color>>()
    };
    assert_eq!(colors(Theme::PLAIN), [Color::Reset].into());
    for color in [Color::Green, Color::Yellow, Color::Red, Color::Cyan, Color::DarkGray] {
        assert!(colors(Theme::COLORED).contains(&color), "{color}");
    }
}

#[test]
fn a_restarted_supervisor_is_mentioned_and_ends_the_trouble() {
    let mut app = app_with(&several());
    app.trouble = Some("NO SUPERVISOR".to_owned());
    let mut another = dump(&several());
    another.started_at = noon();
    receive(&mut app, another);
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

/// Returns two open alerts and one that is over.
pub(super) fn alerts() -> Alerts {
    let alert = |id: i64, occasion: &str, severity: &str, state: &str, campaign: Value| {
        json!({
            "id": id, "occasion": occasion, "key": occasion, "severity": severity, "state": state,
            "campaign": campaign, "text": format!("{occasion}: {}", "something is the case, ".repeat(8)),
            "since": noon_plus(-60 * id), "resolved_at": null, "acked": null, "deliveries": [],
        })
    };
    let shoes = json!({"id": 1, "name": "shoes", "trafficstar_id": 1001});
    let alerts = json!([
        alert(7, "no-funds", "critical", "firing", shoes),
        alert(5, "degraded", "warning", "firing", Value::Null),
        alert(3, "restarted", "info", "resolved", Value::Null),
    ]);
    serde_json::from_value(json!({"alerts": alerts, "receivers": [], "mutes": []})).unwrap()
}

#[test]
fn the_alerts_are_counted_listed_taken_over_muted_and_tested() {
    let mut app = App::default();
    app.receive(State { dump: dump(&several()), health: health(&[]), alerts: alerts() }, noon());
    press(&mut app, "a↓");
    for size in [SMALL, LARGE] {
        assert_screen("alerts", &app, size);
    }
    assert_eq!(press(&mut app, "oy"), [Order::Ack(OccasionId(5))]);
    assert_eq!(press(&mut app, "aoy"), [Order::Ack(OccasionId(7))]);
    assert_eq!(press(&mut app, "amy"), [Order::Mute(Some(CampaignId(1)))]);
    assert_eq!(press(&mut app, "a↓m"), [], "this alert is about no campaign");
    assert_eq!(press(&mut app, "aMy"), [Order::Mute(None)]);
    assert_eq!(press(&mut app, "aty"), [Order::TestAlerts]);
    assert_eq!(press(&mut app, "a⎋oy"), [], "the window is closed");
    assert_eq!(app.focus, Focus::List);
}
