//! The owners and permissions of files: whether another user may have written a config, or can read a secret.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const GROUP_AND_OTHERS_WRITE: u32 = 0o022;
const OTHERS_READ_OR_WRITE: u32 = 0o006;
const ROOT: u32 = 0;

/// Returns the reason why another user may have written a config file that the operator did not name. Such a user could
/// have the API key sent to a server of their own. The folder is checked, too, since a user who may write it can
/// replace the file. `None` if only this user and root can have written the file.
pub(super) fn doubt(file: &Path, opened: &File) -> io::Result<Option<String>> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let me = rustix::process::geteuid().as_raw();
    let doubted = [("it", opened.metadata()?), ("its folder", fs::metadata(folder)?)];
    Ok(doubted.iter().find_map(|(what, found)| doubt_about(what, found.uid(), found.mode() & 0o7777, me)))
}

fn doubt_about(what: &str, owner: u32, mode: u32, me: u32) -> Option<String> {
    if ![me, ROOT].contains(&owner) {
        return Some(format!("{what} belongs to another user ({owner})"));
    }
    (mode & GROUP_AND_OTHERS_WRITE != 0).then(|| format!("others may write {what} (mode {mode:04o})"))
}

/// Returns the permission bits of a file. `None` if they cannot be read; reading the file then fails, too, with the
/// cause.
pub(super) fn mode(file: &Path) -> Option<u32> {
    fs::metadata(file).ok().map(|found| found.mode() & 0o7777)
}

/// Whether every user of this machine may read or change a file with these permissions. Access for a group is allowed:
/// the administrator chose that group, and service managers pass secrets to services in this way.
pub(super) const fn is_exposed(mode: u32) -> bool {
    mode & OTHERS_READ_OR_WRITE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_config_is_doubted_unless_only_this_user_or_root_can_have_written_it() {
        let me = 1000;
        for (owner, mode, doubt) in [
            (me, 0o644, None),
            (me, 0o600, None),
            (ROOT, 0o644, None),
            (me, 0o755, None),
            (33, 0o644, Some("it belongs to another user (33)")),
            (me, 0o664, Some("others may write it (mode 0664)")),
            (ROOT, 0o666, Some("others may write it (mode 0666)")),
            (ROOT, 0o1777, Some("others may write it (mode 1777)")),
        ] {
            assert_eq!(doubt_about("it", owner, mode, me).as_deref(), doubt, "{owner} {mode:o}");
        }
        assert!(doubt_about("it", me, 0o644, ROOT).is_some(), "root trusts only root");
    }
}
