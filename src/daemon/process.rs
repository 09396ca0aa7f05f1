//! What the process asks of the operating system for itself: that nobody reads its memory, and enough files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// 64 clients of the control socket, a connection for each request that is on its way, and the database's.
const ENOUGH_FILES: u64 = 256;

/// Keeps the API key and tokens in this process: it leaves no core dump, and no other process of the same user reads its
/// memory or its environment.
pub fn keep_secrets() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        // A kernel that knows this and refuses it is none that there is; the program is as useful without.
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
    }
}

/// Takes as many open files as the operating system lets it have: where they run out, no client is let in.
pub(super) fn take_all_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let taken = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    let files = if taken.is_ok() { maximum } else { current };
    if let Some(files) = files.filter(|files| *files < ENOUGH_FILES) {
        tracing::warn!(
            "this process may open {files} files at once, which may not do: let it have {ENOUGH_FILES} or more (ulimit -n, \
             LimitNOFILE=)"
        );
    }
}
