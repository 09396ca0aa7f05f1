//! What an operator is called in the journal and in holds: the uid, and the name that the system has for it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

use nix::unistd::{Uid, User};

use crate::printable::printable;

/// So long the system may take: it may have to ask a directory (LDAP) that does not answer, and an order must not wait.
const NAMED_WITHIN: Duration = Duration::from_millis(200);
/// So many questions may be out. Each is a thread that stays for as long as the directory hangs.
const MOST_QUESTIONS: usize = 4;

static QUESTIONS: AtomicUsize = AtomicUsize::new(0);

/// The operator with this uid, `1000 (alice)`; the uid alone where the system has no name for it, or does not tell it
/// soon. Blocks for 200 ms at the most.
#[must_use]
pub fn describe(uid: u32) -> String {
    name_of(uid).map_or_else(|| uid.to_string(), |name| format!("{uid} ({})", printable(&name)))
}

fn name_of(uid: u32) -> Option<String> {
    if QUESTIONS.fetch_add(1, Ordering::Relaxed) >= MOST_QUESTIONS {
        QUESTIONS.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    let (tell, told) = sync_channel(1);
    let ask = move || {
        let user = User::from_uid(Uid::from_raw(uid)).ok().flatten();
        QUESTIONS.fetch_sub(1, Ordering::Relaxed);
        // The order may have gone on without the name.
        let _ = tell.send(user.map(|user| user.name));
    };
    match std::thread::Builder::new().name("operator".to_owned()).spawn(ask) {
        Ok(_) => told.recv_timeout(NAMED_WITHIN).ok().flatten(),
        Err(_) => {
            QUESTIONS.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }
}

/// Whoever runs this process.
#[must_use]
pub fn myself() -> String {
    describe(Uid::current().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operator_is_named_where_the_system_knows_the_uid_and_numbered_otherwise() {
        assert_eq!(describe(0), "0 (root)");
        assert_eq!(describe(4_000_000_000), "4000000000");
    }
}
