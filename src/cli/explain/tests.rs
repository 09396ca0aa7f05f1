//! The page of `explain`, compared with files.

use super::*;
use crate::cli::draw::paper::written;
use crate::cli::tests::{assert_drawn, explanation};
use crate::domain::money::Money;
use crate::domain::policy::HighSpend;

fn urls() -> Vec<Url> {
    let url = |id: i64, name: &str, clicks: i64, status: &str| {
        serde_json::json!({
            "id": id, "campaign_id": 1, "name": name, "target_url": "https://example.com/", "click_limit": 20_000,
            "clicks": clicks, "status": status,
        })
    };
    let urls = serde_json::json!([url(1, "landing", 20_000, "active"), url(2, "more", 4_000, "paused")]);
    serde_json::from_value(urls).unwrap()
}

fn entries() -> Vec<JournalEntry> {
    let entry = serde_json::json!({
        "id": 7, "campaign_id": 1, "trafficstar_id": 995_224, "kind": "pause", "trigger": "operator",
        "reason": "on hold: wrong landing page", "spend": "1.66", "remaining_clicks": 4134,
        "remote_status": "running", "state_before": "active-guarded", "state_after": "cooling-down",
        "step": "failed", "by": "0 (root)", "late": false, "requested_at": "2026-11-22T12:00:00.5Z",
        "accepted_at": null, "confirmed_at": null, "failed_at": null, "error": "TrafficStars answered 500",
    });
    vec![serde_json::from_value(entry).unwrap()]
}

#[test]
fn the_answer_comes_first_then_the_commands_then_the_facts() {
    let (urls, entries) = (urls(), entries());
    for width in [60, 80, 120] {
        for (theme, kind) in [(Theme::PLAIN, "plain"), (Theme::COLORED, "colored")] {
            let paper = Paper { width: Some(width), theme };
            let explanation = Explanation { verdict: Verdict::Unguarded, ..explanation(1) };
            let mut lines = Page { explanation: &explanation, urls: &urls, entries: &entries }.lines(paper);
            lines.extend(verbose::lines(&explanation, paper));
            assert!(lines.iter().all(|line| line.width() <= width), "{lines:#?}");
            assert_drawn(&format!("explain/{kind}_{width}"), &written(&lines, theme));
        }
    }
}

#[test]
fn the_page_shows_only_what_the_json_has() {
    let json = serde_json::to_string(&explanation(1)).unwrap();
    let read: Explanation = serde_json::from_str(&json).unwrap();
    let text = |explanation: &Explanation| {
        let paper = Paper { width: None, theme: Theme::PLAIN };
        let mut lines = Page { explanation, urls: &[], entries: &[] }.lines(paper);
        lines.extend(verbose::lines(explanation, paper));
        written(&lines, Theme::PLAIN)
    };
    assert_eq!(text(&read), text(&explanation(1)));
}

#[test]
fn each_verdict_has_its_words_and_the_commands_that_may_help() {
    let cases = [
        (
            Verdict::Unguarded,
            "✗ Autumn (1 · TrafficStars 995224)  RUNS, and nothing pauses it",
            Some("stop it, and keep it stopped: traffic-generator hold 1 --pause"),
        ),
        (
            Verdict::OnHold,
            "‖ Autumn (1 · TrafficStars 995224)  on hold: it is stopped",
            Some("end the hold: traffic-generator release 1"),
        ),
        (
            Verdict::NotGuarded,
            "· Autumn (1 · TrafficStars 995224)  not guarded",
            Some("guard it: traffic-generator enable 1"),
        ),
        (Verdict::Queued, "? Autumn (1 · TrafficStars 995224)  queued to run", None),
        (Verdict::Stopped, "○ Autumn (1 · TrafficStars 995224)  stopped", None),
        (Verdict::Running, "● Autumn (1 · TrafficStars 995224)  runs", None),
    ];
    for (verdict, heading, command) in cases {
        let explanation = Explanation { verdict, ..explanation(1) };
        let paper = Paper { width: None, theme: Theme::PLAIN };
        let text = written(&Page { explanation: &explanation, urls: &[], entries: &[] }.lines(paper), Theme::PLAIN);
        assert!(text.starts_with(heading), "{text}");
        let advice = text.lines().find_map(|line| line.strip_prefix("  Do       "));
        assert_eq!(advice.is_some(), command.is_some(), "{text}");
        assert!(advice.zip(command).is_none_or(|(advice, command)| advice.starts_with(command)), "{text}");
    }
}

#[test]
fn at_the_limit_a_higher_one_is_advised_unless_the_policy_goes_on() {
    for (high_spend, advised) in
        [(HighSpend::Observe, true), (HighSpend::Pause, true), (HighSpend::Guard, false), (HighSpend::TopUp, false)]
    {
        let mut explanation = Explanation { verdict: Verdict::Stopped, ..explanation(1) };
        let thresholds = explanation.thresholds.as_mut().unwrap();
        (thresholds.spend_to_limit, thresholds.high_spend) = (Some(Money::ZERO), high_spend);
        let has = advice(&explanation).iter().any(|line| line.contains("--spend-limit"));
        assert_eq!(has, advised, "{high_spend}");
    }
}
