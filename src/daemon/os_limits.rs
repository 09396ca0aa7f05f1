//! Settings of the operating system for this process: its memory is protected, and it may open enough files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Enough for 64 clients of the control socket, a connection for each request in flight, and the connections to the
/// database.
const ENOUGH_FILES: u64 = 256;

/// Protects the API key and the tokens: this process leaves no core dump, and no other process of the same user can
/// read its memory or its environment.
pub fn keep_secrets() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // No known kernel refuses this. The program works without it as well.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Raises the limit of open files as far as the operating system allows. Without free files, no client can connect.
pub(super) fn take_all_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let taken = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = if taken.is_ok() { maximum } else { current };
    if let Some(files) = files.filter(|files| *files < ENOUGH_FILES) {
        tracing::warn!(
            "this process may open {files} files at once, which may be too few: allow {ENOUGH_FILES} or more \
             (ulimit -n, LimitNOFILE=)"
        );
    }
}
