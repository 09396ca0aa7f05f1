//! The switch: at most one fault is on in each thread.

use std::cell::Cell;

use super::list;

thread_local! {
    static ON: Cell<Option<&'static str>> = const { Cell::new(None) };
    static REACHED: Cell<u64> = const { Cell::new(0) };
}

/// The proof that a fault is on; dropping it switches the fault off.
#[derive(Debug)]
pub struct SwitchedOn(());

/// Switches a fault of the list on, for this thread.
///
/// # Panics
/// The list has no fault of that name.
#[must_use]
pub fn switch_on(name: &str) -> SwitchedOn {
    let fault = list::all().find(|fault| fault.name == name);
    ON.set(Some(fault.unwrap_or_else(|| panic!("there is no fault `{name}`")).name));
    REACHED.set(0);
    SwitchedOn(())
}

/// Whether this fault is on. The copies call this where the fault would act.
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
    /// Returns how often the faulty code ran. With 0, no checker could find anything.
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
