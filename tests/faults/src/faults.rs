//! The switch: at most one fault is on, in one thread.

use std::cell::Cell;

use super::list;

thread_local! {
    static ON: Cell<Option<&'static str>> = const { Cell::new(None) };
    static REACHED: Cell<u64> = const { Cell::new(0) };
}

/// A fault that is on until this is dropped.
#[derive(Debug)]
pub struct SwitchedOn(());

/// Switches a fault of the list on, for this thread.
///
/// # Panics
/// There is no fault of that name.
#[must_use]
pub fn switch_on(name: &str) -> SwitchedOn {
    let fault = list::all().find(|fault| fault.name == name);
    ON.set(Some(fault.unwrap_or_else(|| panic!("there is no fault `{name}`")).name));
    REACHED.set(0);
    SwitchedOn(())
}

/// Whether this fault is on: asked by the copies, right where it would be made.
#[must_use]
pub fn is_on(name: &str) -> bool {
    let on = ON.get().is_some_and(|on| on == name);
    if on {
        REACHED.set(REACHED.get() + 1);
    }
    on
}

/// Whether any fault is on in this thread.
#[must_use]
pub fn any_is_on() -> bool {
    ON.get().is_some()
}

impl SwitchedOn {
    /// How many times the run came to the faulty code: 0 says that no checker had a chance.
    #[must_use]
    pub fn times_reached(&self) -> u64 {
        REACHED.get()
    }
}

impl Drop for SwitchedOn {
    fn drop(&mut self) {
        ON.set(None);
    }
}
