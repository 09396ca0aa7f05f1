//! Running, stopped, blocked or unknown, judged from the whole answer: the first that fits.

use super::*;
use crate::domain::remote::{RemoteStatus, StatusWord, StopCause, judge};
use StatusWord::{Blocked, Running, Stopped, Unknown};

fn judged(facts: &Facts, now: &str) -> StatusWord {
    judge(&facts.remote, at(now)).word()
}

fn status(word: &str) -> Facts {
    running().with(|campaign| campaign.status = Some(word.to_owned()))
}

#[test]
fn every_word_means_what_the_page_says_with_active_true_and_false() {
    let words = [
        ("enabled", Running, Stopped),
        ("active", Running, Stopped),
        ("paused", Stopped, Stopped),
        ("unapproved", Blocked, Blocked),
        ("rejected", Blocked, Blocked),
        ("draft", Blocked, Blocked),
        ("archived", Blocked, Blocked),
        ("no_funds_paused", Blocked, Blocked),
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
fn an_untaught_word_says_whether_money_may_be_flowing() {
    for active in [true, false] {
        let RemoteStatus::Unknown { active: flows, reason } = judge(&untaught(active).remote, at("12:00:00")) else {
            panic!("it is unknown")
        };
        assert_eq!(flows, active);
        assert!(reason.contains("`frozen`"), "{reason}");
    }
    let failed = judge(&unread().remote, at("12:00:00"));
    assert!(matches!(failed, RemoteStatus::Unknown { active: false, .. }));
}

#[test]
fn what_cannot_be_run_is_blocked_whether_or_not_it_is_switched_on() {
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
            let RemoteStatus::Blocked { reason } = judge(&facts.with(change).remote, at("12:00:00")) else {
                panic!("not blocked: {says}")
            };
            assert!(reason.contains(says), "{reason}");
        }
        assert_eq!(judged(&untaught(true).with(change), "12:00:00"), Unknown, "an untaught word comes first");
    }
}

#[test]
fn what_is_not_there_blocks_nothing() {
    let facts = running().with(|campaign| {
        campaign.approved = None;
        campaign.schedule_timezone = None;
        campaign.name = None;
    });
    assert_eq!(judged(&facts, "12:00:00"), Running);
}

#[test]
fn a_404_is_blocked_and_a_failed_read_unknown() {
    assert_eq!(judged(&missing(), "12:00:00"), Blocked);
    assert_eq!(judged(&unread(), "12:00:00"), Unknown);
}

#[test]
fn a_passed_end_time_has_stopped_it_to_the_second() {
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
fn an_answer_that_lacks_or_garbles_what_judging_needs_is_in_doubt() {
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
