//! LIFECYCLE.md agrees with the code: every combination of facts and state, and every edge.

use std::collections::BTreeSet;

use super::*;
use crate::domain::decision::{Judgement, decide};
use crate::domain::policy::HighSpend;

const PAGE: &str = include_str!("../LIFECYCLE.md");

/// Facts with the word that the page has for them.
type Named = (&'static str, Facts);
/// A word of the page, and the function that makes facts fit it.
type Making = (&'static str, fn(Facts) -> Facts);

fn combinations() -> Vec<([&'static str; 4], Facts, PhaseWord)> {
    let remotes: [Named; 7] = [
        ("blocked", blocked()),
        ("in doubt, may run", unfunded()),
        ("unknown", unread()),
        ("unknown", unknown_word(false)),
        ("in doubt, may run", unknown_word(true)),
        ("stopped", stopped()),
        ("running", running()),
    ];
    let spends: [Making; 3] = [
        ("unknown", Facts::spend_unknown),
        ("below", |facts| facts.spend("9.999999")),
        ("reached", |facts| facts.spend("10.00")),
    ];
    let clicks: [Making; 4] = [
        ("unknown", Facts::clicks_unknown),
        ("used up", |facts| facts.clicks(5_000)),
        ("between", |facts| facts.clicks(5_001)),
        ("enough", |facts| facts.clicks(15_000)),
    ];
    let mut all = Vec::new();
    for (remote, facts) in &remotes {
        for (spend, with_spend) in spends {
            for (click, with_clicks) in clicks {
                for phase in [PhaseWord::Idle, PhaseWord::ActiveGuarded, PhaseWord::PausedGuarded] {
                    let facts = with_clicks(with_spend(facts.clone()));
                    all.push(([spend, click, remote, phase.as_str()], facts, phase));
                }
            }
        }
    }
    all
}

/// Returns the cells of the table under a heading, without its head.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let section = PAGE.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let rows = section.lines().filter(|line| line.starts_with('|')).skip(2);
    rows.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
}

fn kind_word(request: Option<ActionKind>) -> String {
    request.map_or_else(|| "none".to_owned(), |kind| kind.to_string())
}

#[test]
fn every_combination_is_decided_as_the_page_says_and_every_line_is_needed() {
    let lines = table("Decisions");
    let mut needed = BTreeSet::new();
    for (words, facts, phase) in combinations() {
        let fits = |line: &&Vec<&str>| {
            words
                .iter()
                .zip(&line[1..5])
                .all(|(word, cell)| *cell == "any" || cell.split(" or ").any(|one| one == *word))
        };
        let line = lines.iter().find(fits).unwrap_or_else(|| panic!("no line for {words:?}"));
        needed.insert(line[0]);
        let now = at("12:00:00");
        let mut rig = Rig::new(phase_of(phase, now));
        let decision = decide(&Judgement::new(&facts.observation(now), &rig.policy, now), phase);
        let next = decision.next.map_or("unchanged", PhaseWord::as_str);
        let decided = [format!("{:?}", decision.row), kind_word(decision.action), next.to_owned()];
        assert_eq!(decided, [line[0], line[5], line[6]], "{words:?}");

        let effects = rig.tick("12:00:00", &facts);
        assert_step(&format!("{words:?}"), &rig, &effects, decision.action, decision.next.unwrap_or(phase));
    }
    let written: Vec<&str> = lines.iter().map(|line| line[0]).collect();
    assert_eq!(written.len(), needed.len(), "a line is there twice, or no combination needs it: {written:?}");
    assert_eq!(written.into_iter().collect::<BTreeSet<_>>(), needed);
}

#[test]
fn the_edges_of_the_page_are_those_of_the_code() {
    let mut edges = BTreeSet::new();
    let mut add = |from: PhaseWord, effects: &[Effect], to: PhaseWord| {
        let request = sends(effects).next().map(|request| request.kind);
        if request.is_some() || from != to {
            edges.insert([from.to_string(), kind_word(request), to.to_string()]);
        }
    };
    for high_spend in HighSpend::ALL {
        for (_, facts, phase) in combinations() {
            let set = |numbers: &mut PolicyNumbers| numbers.high_spend = high_spend;
            let mut rig = Rig::with(phase_of(phase, at("12:00:00")), set);
            let effects = rig.tick("12:00:00", &facts);
            add(phase, &effects, rig.phase());
            let mut rig = Rig::with(cooling_until("12:02:00"), set);
            let effects = rig.tick("12:01:59", &facts);
            add(PhaseWord::CoolingDown, &effects, rig.phase());
        }
    }
    let mut rig = Rig::new(cooling_until("12:02:00"));
    let effects = rig.tick("12:02:00", &unread());
    add(PhaseWord::CoolingDown, &effects, rig.phase());

    let lines = table("Edges");
    let written: BTreeSet<_> = lines.iter().map(|line| [line[0], line[1], line[2]].map(str::to_owned)).collect();
    assert_eq!(written.len(), lines.len(), "a line is there twice");
    assert_eq!(written, edges);
}

/// The names of an enum's variants. The `match` makes the compiler ask for each new variant.
macro_rules! variants {
    ($of:ident: $($name:ident),+) => {{
        let _: fn(&$of) = |one| match one {
            $($of::$name { .. })|+ => (),
        };
        [$(stringify!($name)),+]
    }};
}

#[test]
fn every_state_event_and_effect_is_on_the_page() {
    for word in PhaseWord::ALL {
        assert!(PAGE.contains(&format!("| `{word}` |")), "{word}");
    }
    let rows = table("Events and effects");
    let (events, effects) =
        rows.split_at(rows.iter().position(|row| row[0] == "effect").expect("the table of effects"));
    let of_events = variants!(
        Event: Wake, Observed, ReadBack, Applied, EndTimeSet, SentUnstored, Disable, DisableIfStopped, Process, Force,
        Hold, HoldAll
    );
    let of_effects = variants!(
        Effect: Observe, ReadBack, Store, Send, SetEndTime, Note, Sign, SharedLimit, Disabled, DisableRefused, Processed,
        ForceEnded, Held
    );
    let has_row = |rows: &[Vec<&str>], word: &str| rows.iter().any(|row| row[0].contains(&format!("`{word}`")));
    for word in of_events {
        assert!(has_row(events, word), "add a row for the event `{word}` to LIFECYCLE.md, \"Events and effects\"");
    }
    for word in of_effects {
        assert!(has_row(effects, word), "add a row for the effect `{word}` to LIFECYCLE.md, \"Events and effects\"");
    }
}
