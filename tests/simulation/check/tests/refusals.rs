//! One id that is refused: a log that holds and one that does not.

use traffic_generator::domain::action::{ActionKind, Outcome, Trigger};
use traffic_generator::domain::phase::Phase;

use super::story::*;
use crate::model::log::{How, What};
use crate::model::remote::Call;

/// A pause that is answered with 422; whether it is its own campaign that TrafficStars refuses.
fn refused_pause(refused: bool) -> Story {
    let mut story = Story::new(Phase::ActiveGuarded);
    if let What::Begins { requests_per_minute, .. } = &mut story.lines[0].what {
        *requests_per_minute = 90;
    }
    if refused {
        story.say(What::RefusedId { campaign: 0, status: Some(422) });
    }
    let cooling = cooling_until("12:02:00");
    let effects = story.send(ActionKind::Pause, Trigger::Tick, cooling);
    story.tick("12:00:00", &running().clicks(5_000), effects, cooling);
    let call = Call::Pause([REMOTE].into());
    let ticket = story.queue(call.clone());
    story.leave(ticket).later(50).say(What::Arrived { ticket, call, refused: false });
    story.later(50).say(What::Ended { ticket, how: How::Status(422) });
    story
}

#[test]
fn a_refused_campaign_has_failed_with_the_status_and_no_other_has() {
    let told = |refused, reason: &str| {
        let mut story = refused_pause(refused);
        story.applied(Outcome::Failed(reason.to_owned()), cooling_until("12:02:00"));
        story
    };
    told(true, "rejects the request (422)").holds();
    told(true, "it did not work").breaks(&["refused-id-says-why"]);
    told(false, "rejects the request (422)").breaks(&["one-refused-id-holds-no-other"]);
}

#[test]
fn a_campaign_that_is_not_refused_is_answered_within_a_tick() {
    for (seconds, broken) in [(60, &[][..]), (61, &["one-refused-id-holds-no-other"][..])] {
        let mut story = refused_pause(false);
        story.later(seconds * 1_000).say(What::Database { away: true }).breaks(broken);
    }
}
