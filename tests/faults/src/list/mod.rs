//! The faults, each a slip that a tired programmer could make.

mod actions;
mod decisions;
mod facts;
mod orders;
mod requests;
mod stored;

/// One deliberate fault.
#[derive(Debug)]
pub struct Fault {
    /// Its name, to switch it on by.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub what: &'static str,
    /// The heading of RULES.md whose rule it breaks, `Lifecycle` for LIFECYCLE.md; a number is a line of "What must
    /// hold always".
    pub breaks: &'static str,
    /// The file that it is in, from the project's folder.
    pub file: &'static str,
    /// What stands there, once. Marks say which piece of it is replaced: `if «a <= b» {`.
    pub original: &'static str,
    /// What stands there instead.
    pub faulty: &'static str,
}

/// All of them.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    [decisions::FAULTS, facts::FAULTS, actions::FAULTS, stored::FAULTS, orders::FAULTS, requests::FAULTS]
        .into_iter()
        .flatten()
}
