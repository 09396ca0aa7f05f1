//! What an operator is called in the journal and in holds: the uid, and the name that the system has for it.

use nix::unistd::{Uid, User};

use crate::printable::printable;

/// The operator with this uid, `1000 (alice)`; the uid alone where the system has no name for it. May block, since the
/// system may have to ask a directory.
#[must_use]
pub fn describe(uid: u32) -> String {
    match User::from_uid(Uid::from_raw(uid)) {
        Ok(Some(user)) => format!("{uid} ({})", printable(&user.name)),
        Ok(None) | Err(_) => uid.to_string(),
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
