//! The output of `status`, compared with files.

use chrono::Duration;
use serde_json::json;

use super::*;
use crate::cli::draw::paper::written;
use crate::cli::draw::theme::Theme;
use crate::cli::tests::{assert_drawn, dump, health, noon, several};
use crate::domain::status::{Hold, Role};

fn text(dump: &Dump, health: &Health, shown: Shown, paper: Paper) -> String {
    written(&lines(dump, dump, health, shown, paper), paper.theme)
}

#[test]
fn trouble_comes_first_and_no_line_is_longer_than_the_terminal() {
    let (dump, health) = (dump(&several()), health(&[]));
    for width in [60, 80, 120] {
        for (theme, kind) in [(Theme::PLAIN, "plain"), (Theme::COLORED, "colored")] {
            let paper = Paper { width: Some(width), theme };
            let drawn = lines(&dump, &dump, &health, Shown::default(), paper);
            assert!(drawn.iter().all(|line| line.width() <= width), "{drawn:#?}");
            assert_drawn(&format!("status/{kind}_{width}"), &written(&drawn, theme));
        }
    }
    let pipe = Paper { width: None, theme: Theme::PLAIN };
    assert_drawn("status/wide", &text(&dump, &health, Shown { wide: true, attention: false }, pipe));
}

#[test]
fn with_attention_only_campaigns_that_need_attention_are_shown() {
    let pipe = Paper { width: None, theme: Theme::PLAIN };
    let shown = Shown { attention: true, wide: false };
    let listed = |dump: &Dump| {
        let text = text(dump, &health(&[]), shown, pipe);
        text.lines().filter(|line| line.starts_with('✗')).count()
    };
    assert_eq!(listed(&dump(&several())), 3);
    let healthy = dump(&several()[..1]);
    assert!(text(&healthy, &health(&[]), shown, pipe).contains("No campaign needs attention."));
    assert!(
        text(&dump(&[]), &health(&[]), shown, pipe)
            .contains("No campaigns: `traffic-generator campaign add` adds one.")
    );
}

#[test]
fn the_heading_shows_what_applies_to_all_campaigns() {
    let paper = Paper { width: Some(80), theme: Theme::PLAIN };
    let mut troubled = dump(&several());
    troubled.supervisor.hold = Some(Hold {
        reason: Some("wrong landing page".to_owned()),
        since: noon(),
        until: None,
        by: Some("0 (root)".to_owned()),
        pause: true,
    });
    for campaign in &mut troubled.campaigns {
        campaign.ordered.mode = crate::domain::policy::Mode::Observe;
    }
    troubled.trafficstar.running_again_by = Some(noon() + Duration::minutes(11));
    let reasons = health(&["the database fails: it is locked by another program"]);
    let mut standby = dump(&several());
    standby.leadership.role = Role::Standby;
    let cases = [
        (
            &troubled,
            &reasons,
            vec![
                "✗ DEGRADED, guarding 8 campaigns",
                "✗ the database fails: it is locked by another program",
                "‖ ALL CAMPAIGNS ARE ON HOLD until released, by 0 (root): wrong landing page, and",
                "OBSERVE MODE for all campaigns: nothing is sent",
                "activations wait for free requests (limit per minute): all run again by about",
            ],
        ),
        (
            &standby,
            &health(&[]),
            vec!["● standing by for 8 campaigns", "Standing by: no supervisor leads at the moment"],
        ),
    ];
    for (dump, health, wanted) in cases {
        let text = text(dump, health, Shown::default(), paper);
        let missing: Vec<_> =
            wanted.iter().filter(|wanted| !text.lines().any(|line| line.starts_with(**wanted))).collect();
        assert!(missing.is_empty(), "{missing:?} in\n{text}");
    }
}

#[test]
fn a_campaigns_own_limits_are_shown_instead_of_the_defaults() {
    let own = json!({"limits": {"spend": "25.00", "activate_clicks": 2_000, "pause_clicks": 1_000}});
    let campaign = crate::cli::tests::campaign(1, "shoes", &own);
    let paper = Paper { width: None, theme: Theme::PLAIN };
    let text = text(&dump(&[campaign]), &health(&[]), Shown::default(), paper);
    assert!(text.contains("/ 25.00") && text.contains("pauses at 1,000"), "{text}");
}
