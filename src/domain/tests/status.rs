//! Running, stopped, blocked or unknown, judged from the whole answer: the first that fits.

use super::*;
use crate::domain::remote::{OddField, RemoteStatus, StatusWord, StopCause, judge};
use StatusWord::{Blocked, Running, Stopped, Unknown};

fn judged(facts: &Facts, now: &str) -> StatusWord {
    judge(&facts.remote, at(now)).word()
}

fn status(word: &str) -> Facts {
    running().with(|campaign| campaign.status = Some(word.to_owned()))
}

#[test]
fn every_status_word_means_what_rules_md_says_with_active_true_and_false() {
    let words = [
        ("enabled", Running, Stopped),
        ("active", Running, Stopped),
        ("paused", Stopped, Stopped),
        ("unapproved", Blocked, Blocked),
        ("rejected", Blocked, Blocked),
        ("draft", Blocked, Blocked),
        ("archived", Blocked, Blocked),
        ("pending", Blocked, Blocked),
        ("no_funds_paused", Blocked, Blocked),
        ("no_funds_active", Blocked, Blocked),
        ("total_budget_is_reached", Blocked, Blocked),
        ("frozen", Unknown, Unknown),
        ("ENABLED", Unknown, Unknown),
        ("", Unknown, Unknown),
    ];
    for (word, switched_on, switched_off) in words {
        assert_eq!(judged(&status(word), "12:00:00"), switched_on, "`{word}`, active");
        let off = status(word).with(|campaign| campaign.active = Some(false));
        assert_eq!(judged(&off, "12:00:00"), switched_off, "`{word}`, not active");
    }
}

#[test]
fn a_campaign_that_is_switched_on_and_blocked_or_unknown_may_run_until_its_end_time() {
    type Change = fn(&mut RemoteCampaign);
    let odd = |campaign: &mut RemoteCampaign| {
        campaign.odd_fields.push(OddField { name: "approved", problem: "`approved` is `1`".to_owned() });
    };
    let changes: [(&str, Change); 9] = [
        ("out of funds", |campaign| campaign.status = Some("no_funds_active".to_owned())),
        ("its budget is used up", |campaign| campaign.status = Some("total_budget_is_reached".to_owned())),
        ("moderation", |campaign| campaign.approved = Some("pending".to_owned())),
        ("archived", |campaign| campaign.archived = true),
        ("an unknown word", |campaign| campaign.status = Some("frozen".to_owned())),
        ("no word", |campaign| campaign.status = None),
        ("an end time in no known form", |campaign| campaign.end_time = EndTime::Unreadable("tomorrow".to_owned())),
        ("an odd field", odd),
        ("another time zone", |campaign| campaign.schedule_timezone = Some(3)),
    ];
    for (what, change) in changes {
        let may_run = |facts: Facts| judge(&facts.remote, at("12:00:00")).may_run();
        assert!(may_run(running().with(change)), "{what}");
        assert!(
            !may_run(running().with(change).with(|campaign| campaign.active = Some(false))),
            "{what}, switched off"
        );
        assert!(!may_run(running().with(change).with(|campaign| campaign.active = None)), "{what}, `active` unknown");
        let ended = running().ends(at("08:00:00")).with(change);
        let unreadable = what.starts_with("an end time");
        assert_eq!(may_run(ended), unreadable, "{what}, its end time has passed");
    }
    assert!(!judge(&unread().remote, at("12:00:00")).may_run(), "a read that failed proves nothing");
    for facts in [missing(), gone()] {
        assert!(!judge(&facts.remote, at("12:00:00")).may_run());
    }
}

#[test]
fn an_end_time_in_another_time_zone_passes_by_that_time_zone() {
    for (hours, may_run_at) in [(3, "08:59:59"), (-5, "16:59:59"), (0, "11:59:59")] {
        let facts = running().ends(at("12:00:00")).with(|campaign| {
            campaign.schedule_timezone = Some(hours);
            campaign.approved = Some("pending".to_owned());
        });
        assert!(judge(&facts.remote, at(may_run_at)).may_run(), "{hours}");
        assert!(!judge(&facts.remote, at(may_run_at) + Duration::seconds(1)).may_run(), "{hours}");
    }
    let unknown_zone = running().ends(at("08:00:00")).with(|campaign| {
        campaign
            .odd_fields
            .push(OddField { name: "schedule_timezone", problem: "`schedule_timezone` is `[]`".to_owned() });
    });
    assert!(judge(&unknown_zone.remote, at("12:00:00")).may_run(), "it may be in any zone");
}

#[test]
fn an_odd_field_makes_the_status_unknown_and_is_named() {
    let odd = |name, problem: &str| OddField { name, problem: problem.to_owned() };
    let facts = stopped().with(|campaign| {
        campaign.odd_fields = vec![odd("no_funds", "`no_funds` is `[]`"), odd("approved", "`approved` is `1`")];
    });
    let RemoteStatus::Unknown { doubt, .. } = judge(&facts.remote, at("12:00:00")) else { panic!("it is unknown") };
    assert_eq!(
        doubt.to_string(),
        "TrafficStars' answer has a field of an unexpected type: `no_funds` is `[]`; others: `approved`"
    );
}

#[test]
fn each_of_four_fields_can_say_that_it_is_out_of_funds() {
    type Change = fn(&mut RemoteCampaign);
    let changes: [Change; 4] = [
        |campaign| campaign.no_funds = true,
        |campaign| campaign.status = Some("no_funds_paused".to_owned()),
        |campaign| campaign.status = Some("no_funds_active".to_owned()),
        |campaign| campaign.stopped = Some("no_funds".to_owned()),
    ];
    for change in changes {
        let RemoteStatus::Blocked { reason, .. } = judge(&running().with(change).remote, at("12:00:00")) else {
            panic!("not blocked")
        };
        assert_eq!(reason, "out of funds");
    }
    let other = running().with(|campaign| campaign.stopped = Some("daily_budget".to_owned()));
    assert_eq!(judged(&other, "12:00:00"), Running, "another reason is shown, and decides nothing");
}

#[test]
fn an_unknown_word_is_named() {
    let RemoteStatus::Unknown { doubt, .. } = judge(&unknown_word(true).remote, at("12:00:00")) else {
        panic!("it is unknown")
    };
    assert!(doubt.to_string().contains("`frozen`"), "{doubt}");
}

#[test]
fn a_campaign_that_cannot_be_run_is_blocked_whether_or_not_it_is_switched_on() {
    type Change = fn(&mut RemoteCampaign);
    let changes: [(Change, &str); 6] = [
        (|campaign| campaign.archived = true, "archived"),
        (|campaign| campaign.no_funds = true, "funds"),
        (|campaign| campaign.approved = Some("rejected".to_owned()), "`rejected`"),
        (|campaign| campaign.approved = Some("pending".to_owned()), "`pending`"),
        (|campaign| campaign.schedule_timezone = Some(3), "set it to 0"),
        (|campaign| campaign.schedule_timezone = Some(-5), "set it to 0"),
    ];
    for (change, says) in changes {
        for facts in [running(), stopped(), running().ends(at("11:00:00"))] {
            let RemoteStatus::Blocked { reason, .. } = judge(&facts.with(change).remote, at("12:00:00")) else {
                panic!("not blocked: {says}")
            };
            assert!(reason.contains(says), "{reason}");
        }
        assert_eq!(judged(&unknown_word(true).with(change), "12:00:00"), Unknown, "an unknown word comes first");
    }
}

#[test]
fn a_missing_field_blocks_nothing() {
    let facts = running().with(|campaign| {
        campaign.approved = None;
        campaign.schedule_timezone = None;
        campaign.name = None;
    });
    assert_eq!(judged(&facts, "12:00:00"), Running);
}

#[test]
fn a_campaign_that_is_gone_is_blocked_and_a_404_or_a_failed_read_unknown() {
    assert_eq!(judged(&gone(), "12:00:00"), Blocked);
    assert_eq!(judged(&missing(), "12:00:00"), Unknown);
    assert_eq!(judged(&unread(), "12:00:00"), Unknown);
}

#[test]
fn an_end_time_stops_a_campaign_at_its_exact_second() {
    let ends = running().ends(at("23:59:00"));
    for (now, word) in [("23:58:59", Running), ("23:58:59.999", Running), ("23:59:00", Stopped), ("23:59:01", Stopped)]
    {
        assert_eq!(judged(&ends, now), word, "at {now}");
    }
    let cause = judge(&ends.remote, at("23:59:00"));
    assert_eq!(cause, RemoteStatus::Stopped(StopCause::EndTimePassed));
    assert_eq!(judge(&stopped().remote, at("12:00:00")), RemoteStatus::Stopped(StopCause::SwitchedOff));
}

#[test]
fn without_a_readable_field_that_judging_needs_the_status_is_unknown() {
    type Change = fn(&mut RemoteCampaign);
    let changes: [Change; 3] = [
        |campaign| campaign.status = None,
        |campaign| campaign.active = None,
        |campaign| campaign.end_time = EndTime::Unreadable("tomorrow".to_owned()),
    ];
    for change in changes {
        assert_eq!(judged(&running().with(change), "12:00:00"), Unknown);
    }
}
