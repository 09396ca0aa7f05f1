//! Checks a run's log against RULES.md. The checkers are written from that page, not from the code: they know the lines
//! of the log, and nothing of the guard.
//!
//! | file | what is in it |
//! | --- | --- |
//! | `world` | what the log says up to a line: each machine's state, what is under way, what is stored |
//! | `judge` | the page's definitions: the remote status and today's spend from raw fields |
//! | `shadow` | the decision table of the page, and the reasons that delay a decision |
//! | `memory` | what the shadow remembers of earlier steps: backoffs, end times owed, changes of others |
//! | `starts`, `sending`, `requests`, `actions`, `states`, `ticks`, `durable`, `contest`, `reading`, `midnight`, `doubts`, `refusals`, `session`, `waits`, `occasions` | the other rules, by theme |
//! | `budgets`, `ledger` | the day's budget under the policy `top-up`, and what is known of it |
//! | `liveness` | after the last fault, every campaign reaches the state that its facts demand |
//!
//! Deliberately absent: the domain's own logic. Its types are data; `decide`, `judge`, `resolve` and the like are not
//! called, since a checker that used them would not notice their faults.
#![allow(clippy::wildcard_enum_match_arm, reason = "a checker picks the lines that it checks")]

mod actions;
mod budgets;
mod contest;
mod doubts;
mod durable;
mod judge;
mod ledger;
mod liveness;
mod memory;
mod midnight;
mod occasions;
mod reading;
mod refusals;
mod requests;
mod sending;
mod session;
mod shadow;
mod starts;
mod states;
mod ticks;
mod waits;
mod world;

use self::world::{Step, World};
use super::model::log::Line;

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The checker's name, such as `liveness`.
    pub(crate) checker: &'static str,
    /// The line's place in the log, from 0.
    pub(crate) line: usize,
    /// What is wrong, for a reader of the log.
    pub(crate) text: String,
}

/// One rule, or several. Each checker gets every line before `world` takes it in, and every complete step of a machine
/// before `world` takes that in.
trait Checker {
    fn line(&mut self, _world: &World<'_>, _index: usize, _line: &Line, _found: &mut Findings) {}

    fn step(&mut self, _world: &World<'_>, _step: &Step<'_>, _found: &mut Findings) {}
}

/// What was found, at most `MOST_OF_A_KIND` by each checker.
#[derive(Debug, Default)]
struct Findings(Vec<Violation>);

const MOST_OF_A_KIND: usize = 20;

impl Findings {
    fn report(&mut self, checker: &'static str, line: usize, text: impl Into<String>) {
        if self.0.iter().filter(|found| found.checker == checker).count() < MOST_OF_A_KIND {
            self.0.push(Violation { checker, line, text: text.into() });
        }
    }
}

/// Returns every violation, in the order of the log's lines.
pub(crate) fn check(lines: &[Line]) -> Vec<Violation> {
    let mut checkers: Vec<Box<dyn Checker>> = vec![
        Box::new(shadow::AsTheTableSays::default()),
        Box::new(starts::UnknownStartsNothing),
        Box::new(starts::NothingStartedWhileHeldBack),
        Box::new(starts::FarClockStartsNothing),
        Box::new(starts::LimitStartsNothing),
        Box::new(sending::Sending),
        Box::new(sending::Forced),
        Box::new(actions::OneActionInFlight),
        Box::new(actions::ConfirmedByARead),
        Box::new(actions::JournalSteps),
        Box::new(requests::LimitOfRequests::default()),
        Box::new(requests::RequestScheduler::default()),
        Box::new(durable::JournalBeforeSending::default()),
        Box::new(durable::CrashLosesNothing::default()),
        Box::new(session::PauseWaitsForNoDatabase::default()),
        Box::new(session::ClicksAreFresh),
        Box::new(states::CoolDown),
        Box::new(states::Flags::default()),
        Box::new(ticks::Ticks::default()),
        Box::new(ticks::Readings::default()),
        Box::new(contest::Contested::default()),
        Box::new(waits::RateLimit::default()),
        Box::new(waits::Unhindered::default()),
        Box::new(waits::Debts::default()),
        Box::new(reading::NeededReads::default()),
        Box::new(midnight::LateCounters::default()),
        Box::new(doubts::MayRunIsPaused),
        Box::new(doubts::OutOfFunds::default()),
        Box::new(refusals::Refusals::default()),
        Box::new(budgets::Budgets::default()),
        Box::new(occasions::OnceUntilOver::default()),
        Box::new(liveness::Liveness::default()),
    ];
    let mut found = Findings::default();
    let mut world = World::default();
    for (index, line) in lines.iter().enumerate() {
        for checker in &mut checkers {
            checker.line(&world, index, line, &mut found);
        }
        if let Some(step) = world.take(index, line) {
            if world.place(step.campaign).is_some_and(|place| place.ignores_all) {
                if let Some((line, effect)) = step.effects.first() {
                    let text = format!("campaign {}: {effect:?} after its generator was disabled", step.campaign);
                    found.report("disabled-sends-nothing", *line, text);
                }
                continue;
            }
            for checker in &mut checkers {
                checker.step(&world, &step, &mut found);
            }
            world.take_step(&step);
        }
    }
    found.0.sort_by_key(|violation| violation.line);
    found.0
}
