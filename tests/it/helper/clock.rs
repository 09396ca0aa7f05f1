//! The guard's clock and the sandbox's, set by a test: midnight comes when it is wanted, and an hour passes at once.
//!
//! The built program knows nothing of it. A library of a few lines of C is loaded before libc (`clock.c`) and tells it
//! another time of day; what it waits by, the monotonic clock, goes on as it does.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};

/// The compiled library. It is built once for all tests of this process.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/helper/clock.c");
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clock-{}.so", std::process::id()));
        let compiler = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let mut command = Command::new(compiler);
        command.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
        let built = command.output().unwrap();
        assert!(built.status.success(), "{command:?}: {}", String::from_utf8_lossy(&built.stderr));
        library
    })
}

/// Lets the directory of users hang for a program.
pub(super) fn hang_directory(command: &mut Command) {
    command.env("LD_PRELOAD", library()).env("HUNG_DIRECTORY", "yes");
}

/// A clock that a test sets.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    /// A clock that is right, in this folder.
    pub(super) fn new(folder: &Path) -> Self {
        let clock = Self { file: folder.join("clock") };
        clock.write(0);
        clock
    }

    /// From now on it is `to`.
    pub(super) fn set(&self, to: DateTime<Utc>) {
        self.write((to - Utc::now()).num_nanoseconds().unwrap());
    }

    /// One write of eight bytes, so that no program reads half of it.
    fn write(&self, ahead_ns: i64) {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.file).unwrap();
        file.write_all_at(&ahead_ns.to_ne_bytes(), 0).unwrap();
    }

    /// Lets a program live by it.
    pub(super) fn keep(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("SHIFTED_CLOCK", &self.file);
    }
}
