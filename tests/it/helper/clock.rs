//! A clock that a test sets, for the guard and the sandbox. So midnight comes when a test wants it, and an hour passes
//! at once.
//!
//! The built program has no code for that. A small C library (`clock.c`) is loaded before libc and changes the time of
//! day that the program reads. The monotonic clock, by which the program waits, stays as it is.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};

/// Returns the path of the compiled library. It is built once for all tests of this process.
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

/// Makes the directory of users hang for a program.
pub(super) fn hang_directory(command: &mut Command) {
    command.env("LD_PRELOAD", library()).env("HUNG_DIRECTORY", "yes");
}

/// A clock that a test sets.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    /// Returns a clock that shows the real time. Its file is in `folder`.
    pub(super) fn new(folder: &Path) -> Self {
        let clock = Self { file: folder.join("clock") };
        clock.write(0);
        clock
    }

    /// Sets the clock to `to`.
    pub(super) fn set(&self, to: DateTime<Utc>) {
        self.write((to - Utc::now()).num_nanoseconds().unwrap());
    }

    /// Writes how far the clock is ahead, in one write of eight bytes, so that no program reads half of it.
    fn write(&self, ahead_ns: i64) {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&self.file).unwrap();
        file.write_all_at(&ahead_ns.to_ne_bytes(), 0).unwrap();
    }

    /// Makes a program use this clock.
    pub(super) fn keep(&self, command: &mut Command) {
        command.env("LD_PRELOAD", library()).env("SHIFTED_CLOCK", &self.file);
    }
}
