//! This room describes an operator for the journal and for holds: the uid, and the user name that the system has for
//! it. It leaves finding out the uid to its callers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use nix::unistd::{Uid, User};

use crate::printable::printable;

/// The longest time for the look-up of a name. The system may ask a directory (LDAP) that does not answer, and an order
/// must not wait for it.
const NAMED_WITHIN: Duration = Duration::from_millis(200);
/// The most look-ups at the same time. Each occupies a thread for as long as the directory hangs.
const MOST_LOOK_UPS: usize = 4;

static LOOK_UPS: AtomicUsize = AtomicUsize::new(0);

/// Returns the operator with this uid, like `1000 (alice)`. Returns only the uid if the system has no name for it, or
/// does not answer in time. Blocks for at most 200 ms.
#[must_use]
pub fn describe(uid: u32) -> String {
    name_of(uid).map_or_else(|| uid.to_string(), |name| format!("{uid} ({})", printable(&name)))
}

fn name_of(uid: u32) -> Option<String> {
    if LOOK_UPS.fetch_add(1, Ordering::Relaxed) >= MOST_LOOK_UPS {
        LOOK_UPS.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    let (sender, receiver) = sync_channel(1);
    let look_up = move || {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        LOOK_UPS.fetch_sub(1, Ordering::Relaxed);
        // The receiver may be gone, if the order did not wait any longer.
        let _ = sender.send(user.map(|user| user.name));
    };
    match std::thread::Builder::new().name("operator".to_owned()).spawn(look_up) {
        Ok(_) => receiver.recv_timeout(NAMED_WITHIN).ok().flatten(),
        Err(_) => {
            LOOK_UPS.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }
}

/// Returns the operator who runs this process.
#[must_use]
pub fn myself() -> String {
    describe(Uid::current().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_name_is_shown_if_the_system_knows_the_uid() {
        assert_eq!(describe(0), "0 (root)");
        assert_eq!(describe(4_000_000_000), "4000000000");
    }
}
