//! The service manager's journal as the reader of stderr. It wants each line to begin with a priority, `<4>` for a
//! warning: then `journalctl -p err` shows the errors. It adds the time of each line itself.
//!
//! See `sd-daemon(3)` for the priorities, and `systemd.exec(5)` for `JOURNAL_STREAM`. Deliberately absent: the native
//! protocol of the journal, which works on a machine with systemd only.

use std::env;
use std::ffi::OsStr;
use std::os::fd::AsFd;

use rustix::fs::fstat;
use tracing::Level;

/// The environment variable with the device and inode number of the stream to the journal.
const JOURNAL_STREAM_VARIABLE: &str = "JOURNAL_STREAM";

/// Whether the journal reads this process's stderr.
#[must_use]
pub fn reads_stderr() -> bool {
    is_journal(env::var_os(JOURNAL_STREAM_VARIABLE).as_deref(), std::io::stderr())
}

/// Whether `stream` is the stream that the service manager named. It is not if stderr was redirected since: the variable
/// is inherited by every child.
fn is_journal(named: Option<&OsStr>, stream: impl AsFd) -> bool {
    let Some((device, inode)) = named.and_then(OsStr::to_str).and_then(|named| named.split_once(':')) else {
        return false;
    };
    let (Ok(device), Ok(inode)) = (device.parse(), inode.parse()) else { return false };
    fstat(stream).is_ok_and(|found| (found.st_dev, found.st_ino) == (device, inode))
}

/// Returns the beginning of a line with this level.
#[must_use]
pub fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stderr_is_the_journals_only_if_it_is_the_stream_that_the_variable_names() {
        let file = tempfile::tempfile().unwrap();
        let found = fstat(&file).unwrap();
        let own = format!("{}:{}", found.st_dev, found.st_ino);
        let other = format!("{}:{}", found.st_dev, found.st_ino + 1);
        let cases = [
            (Some(own.as_str()), true),
            (Some(other.as_str()), false),
            (Some(""), false),
            (Some("8"), false),
            (Some("a:b"), false),
            (None, false),
        ];
        for (named, expected) in cases {
            assert_eq!(is_journal(named.map(OsStr::new), &file), expected, "{named:?}");
        }
    }
}
