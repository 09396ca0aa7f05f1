//! A command of the program that runs in the background of a test.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::guard::Guard;

/// A running command. It is killed when this value is dropped.
pub(crate) struct Background {
    child: Child,
    stdout: Text,
    stderr: Text,
}

/// The text that has come out of a pipe so far.
pub(crate) type Text = Arc<Mutex<String>>;

impl Guard {
    /// Starts one of the program's commands in the background.
    pub(crate) fn begin(&self, arguments: &[&str]) -> Background {
        let mut child = self.program(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Text::default(), Text::default());
        gather(child.stdout.take().unwrap(), &stdout);
        gather(child.stderr.take().unwrap(), &stderr);
        Background { child, stdout, stderr }
    }
}

/// Appends everything that comes out of a pipe to a text, line by line.
pub(crate) fn gather(pipe: impl Read + Send + 'static, text: &Text) {
    let text = Arc::clone(text);
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let mut text = text.lock().unwrap();
            text.push_str(&line);
            text.push('\n');
        }
    });
}

impl Background {
    pub(crate) fn stdout(&self) -> String {
        self.stdout.lock().unwrap().clone()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Returns the lines of the command's stdout, each of them a JSON value.
    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn interrupt(&self) {
        kill_process(Pid::from_child(&self.child), Signal::INT).unwrap();
    }

    /// Returns the command's exit status. `None` if it still runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        // The command may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
