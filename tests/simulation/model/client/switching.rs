//! Rounds of runs and pauses: the real plan of their requests, as `trafficstar::switching` carries it out.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use traffic_generator::domain::action::Outcome;
use traffic_generator::domain::ids::RemoteId;
use traffic_generator::trafficstar::batch::split::{Attempt, Ended, Split, Way};
use traffic_generator::trafficstar::gate::Asking;

use super::super::clock::Moment;
use super::super::remote::{Answer, Call, id_of};
use super::super::transport::Failure;
use super::{Change, Client, Heard, Purpose};

/// As in `trafficstar::switching`: so often a pause that met a 429 is tried before it is left to the next tick.
const PAUSE_ATTEMPTS: u8 = 3;
/// As there: two ways take many at once, the third one each by itself. The model's TrafficStars judges all of them alike.
const fn ways(switch: Switch) -> [Way; 3] {
    let each = match switch {
        Switch::Run => Way::EachUnlessRefused,
        Switch::Pause => Way::Each,
    };
    [Way::Together, Way::Together, each]
}

/// What is asked of the campaigns of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Switch {
    Run,
    Pause,
}

/// Runs or pauses under way.
#[derive(Debug)]
pub(super) struct SwitchRound {
    switch: Switch,
    changes: Vec<Change>,
    leave_by: Option<DateTime<Utc>>,
    split: Split,
}

impl Client {
    /// Begins a round of runs or pauses.
    pub(super) fn switch(
        &mut self,
        now: Moment,
        switch: Switch,
        changes: Vec<Change>,
        leave_by: Option<DateTime<Utc>>,
    ) {
        let ids: BTreeSet<RemoteId> = changes.iter().map(|change| id_of(change.life.campaign)).collect();
        let aside = self.aside.entry(switch).or_default().of(now.wall, &ids);
        let patience = if switch == Switch::Run { 1 } else { PAUSE_ATTEMPTS };
        let split = Split::new(ids, &aside, &ways(switch), patience);
        self.last_number += 1;
        self.rounds.insert(self.last_number, SwitchRound { switch, changes, leave_by, split });
        self.go_on_switching(now, self.last_number);
    }

    /// Sends what is next, and tells of what is settled.
    fn go_on_switching(&mut self, now: Moment, number: u64) {
        let Some(round) = self.rounds.get_mut(&number) else { return };
        while let Some(attempt) = round.split.next_attempt() {
            let named = round.changes.iter().filter(|change| attempt.ids.contains(&id_of(change.life.campaign)));
            let carries = named.map(Change::carried).collect();
            let (asking, call) = match round.switch {
                Switch::Run => (Asking::run(round.leave_by), Call::Run(attempt.ids.clone())),
                Switch::Pause => (Asking::pause(), Call::Pause(attempt.ids.clone())),
            };
            let asking = Asking { is_repeat: attempt.is_repeat, ..asking };
            self.transport.ask(now, asking, call, Purpose::Switch { round: number, attempt, carries });
        }
        let mut settled = round.split.take_settled();
        if round.split.is_over() {
            let no_way = |id: &RemoteId| (*id, Outcome::Failed("there is no such path".to_owned()));
            settled.extend(round.split.unserved().iter().map(no_way));
            self.aside.entry(round.switch).or_default().learn(now.wall, &round.split);
        }
        for (id, outcome) in settled {
            let changes = round.changes.iter().filter(|change| id_of(change.life.campaign) == id);
            self.heard.extend(changes.map(|change| Heard::Applied(*change, outcome.clone())));
        }
        if round.split.is_over() {
            self.rounds.remove(&number);
        }
    }

    /// A request of a round has ended.
    pub(super) fn switch_ended(
        &mut self,
        now: Moment,
        number: u64,
        attempt: &Attempt,
        result: Result<Answer, Failure>,
    ) {
        if let Some(round) = self.rounds.get_mut(&number) {
            round.split.ended(attempt.id, ended(&attempt.ids, result));
        }
        self.go_on_switching(now, number);
    }
}

/// What the end of a request says of the campaigns that it named.
fn ended(ids: &BTreeSet<RemoteId>, result: Result<Answer, Failure>) -> Ended {
    match result {
        Ok(Answer::Named { done, refused }) => {
            Ended::Answered(ids.iter().map(|id| (*id, named(*id, &done, &refused))).collect())
        }
        Ok(answer) => unreachable!("a change brought {answer:?}"),
        Err(Failure::TooMany(after)) => Ended::Silenced(Failure::TooMany(after).outcome()),
        Err(failure @ Failure::Status(404 | 405)) => Ended::NoSuchWay(failure.reason()),
        Err(failure @ Failure::Status(401)) => Ended::Else(failure.outcome()),
        Err(failure @ Failure::Status(500..)) => Ended::Broke(failure.reason()),
        Err(failure @ Failure::Status(status)) => {
            Ended::Refused { reason: failure.reason(), perhaps_the_way: status == 400 }
        }
        Err(failure) => Ended::Else(failure.outcome()),
    }
}

fn named(id: RemoteId, done: &BTreeSet<RemoteId>, refused: &BTreeSet<RemoteId>) -> Outcome {
    if done.contains(&id) {
        Outcome::Accepted
    } else if refused.contains(&id) {
        Outcome::Failed("TrafficStars refuses it".to_owned())
    } else {
        Outcome::Unclear("the answer does not name the campaign".to_owned())
    }
}
