//! The faults. Each is a slip that a tired programmer could make.

mod actions;
mod budgets;
mod decisions;
mod facts;
mod orders;
mod requests;
mod stored;

/// One deliberate fault.
#[derive(Debug)]
pub struct Fault {
    /// The name, by which it is switched on.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub what: &'static str,
    /// The rule that it breaks: a heading of RULES.md, `Lifecycle` for LIFECYCLE.md, or the number of a line of "What
    /// must hold always".
    pub breaks: &'static str,
    /// The file that it changes, from the project's folder.
    pub file: &'static str,
    /// Text that occurs in the file exactly once. Marks enclose the piece that is replaced: `if «a <= b» {`.
    pub original: &'static str,
    /// The replacement.
    pub faulty: &'static str,
}

/// Returns all faults.
pub fn all() -> impl Iterator<Item = &'static Fault> {
    let all = [
        decisions::FAULTS,
        facts::FAULTS,
        actions::FAULTS,
        budgets::FAULTS,
        stored::FAULTS,
        orders::FAULTS,
        requests::FAULTS,
    ];
    all.into_iter().flatten()
}
