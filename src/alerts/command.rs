//! The way out by a command: it gets the message on its standard input.
//!
//! It gets no variable of the environment but `PATH`, `HOME` and `LANG`, since the others may hold the API key.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStderr, ChildStdin, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::SendFailure;
use super::template::Written;
use crate::printable::printable;

/// The longest time for one message. Then the command is killed. It is shorter than an order waits for its answer, so that
/// `alert test` shows it.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The longest time for reading what it has written when it has ended.
const LISTEN_FOR: Duration = Duration::from_millis(200);
/// The most bytes of what the command writes that are shown.
const SHOWN: usize = 200;
/// The variables that the command gets.
const VARIABLES: [&str; 3] = ["PATH", "HOME", "LANG"];

/// Runs the command, and gives it the message.
///
/// # Errors
/// It could not be started, did not end in time, or ended with another status than 0.
pub async fn send(program: &Path, arguments: &[String], written: Written) -> Result<(), SendFailure> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().kill_on_drop(true);
    command.envs(VARIABLES.iter().filter_map(|name| Some((*name, std::env::var_os(name)?))));
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    // A process group of its own: a Ctrl-C at the terminal does not reach it, and a time-out ends its children, too.
    command.process_group(0);
    let mut child = command.spawn().map_err(|error| SendFailure::Command(format!("cannot be started: {error}")))?;
    // It is dropped before the child, and so while the child's number is not used again.
    let mut group = Group(child.id());
    let said = Arc::new(Mutex::new(Vec::new()));
    // These go on beside the command: it may read nothing, and a child of it may keep its stderr open.
    let feeder = feed(child.stdin.take(), written.body);
    let mut listener = listen(child.stderr.take(), Arc::clone(&said));
    let ended = timeout(TIMEOUT, child.wait()).await;
    feeder.abort();
    if ended.is_ok() {
        group.has_ended();
        // What it has just written may not have been read yet.
        let _ = timeout(LISTEN_FOR, &mut listener).await;
    }
    listener.abort();
    let said = quoted(&said.lock().unwrap_or_else(PoisonError::into_inner));
    match ended {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(SendFailure::Command(format!("ended with {status}{said}"))),
        Ok(Err(error)) => Err(SendFailure::Command(format!("got lost: {error}"))),
        Err(_) => Err(SendFailure::Command(format!("did not end within {} seconds{said}", TIMEOUT.as_secs()))),
    }
}

/// The process group of a command. If it is dropped before the command has ended, the command is killed with its children.
struct Group(Option<u32>);

impl Group {
    fn has_ended(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let group = self.0.and_then(|group| i32::try_from(group).ok()).and_then(Pid::from_raw);
        if let Some(group) = group {
            // It may have ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

/// Writes the message. A command may end without reading all of it; its status says whether that is a failure.
fn feed(input: Option<ChildStdin>, body: String) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Some(mut input) = input {
            let _ = input.write_all(body.as_bytes()).await;
        }
    })
}

/// Reads all that the command complains of, and keeps the beginning.
fn listen(errors: Option<ChildStderr>, said: Arc<Mutex<Vec<u8>>>) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(mut errors) = errors else { return };
        let mut chunk = [0; 1024];
        while let Ok(read) = errors.read(&mut chunk).await
            && read > 0
        {
            let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
            let room = SHOWN.saturating_sub(said.len());
            said.extend(chunk.iter().take(read.min(room)));
        }
    })
}

fn quoted(said: &[u8]) -> String {
    let said = printable(String::from_utf8_lossy(said).trim());
    if said.is_empty() { said } else { format!(": {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Written {
        Written { body: "x".repeat(200_000), content_type: "text/plain" }
    }

    async fn shell(script: &str) -> Result<(), SendFailure> {
        send(Path::new("/bin/sh"), &["-c".to_owned(), script.to_owned()], written()).await
    }

    #[tokio::test]
    async fn the_status_of_the_command_decides_and_its_complaint_is_quoted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("message");
        shell(&format!("cat > {}", file.display())).await.unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), written().body);
        shell("true").await.unwrap();
        shell("head -c 100000 /dev/zero >&2").await.unwrap();
        shell("sleep 60 & exit 0").await.unwrap();
        let failed = shell("echo no such user >&2; exit 67").await.unwrap_err();
        assert_eq!(failed.to_string(), "the command ended with exit status: 67: no such user");
        // Its child would write the file if it lived on.
        let survivor = folder.path().join("survivor");
        let script = format!("(sleep 1; touch {}) & wait", survivor.display());
        let dropped = timeout(Duration::from_millis(200), shell(&script)).await;
        assert!(dropped.is_err(), "it was still running");
        shell("sleep 2").await.unwrap();
        assert!(!survivor.exists(), "its children are killed with it");
        let missing = send(Path::new("/nonexistent/tell"), &[], written()).await.unwrap_err();
        assert!(missing.to_string().contains("cannot be started"), "{missing}");
    }
}
