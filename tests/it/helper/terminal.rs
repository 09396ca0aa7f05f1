//! A terminal of 80 by 24 characters with a program in it. A test types keys, and reads the screen.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcgetattr, tcsetwinsize};

use super::behind;

/// A program in its terminal. It is killed if the test ends first.
pub(crate) struct Terminal {
    person: File,
    device: File,
    child: Child,
    screen: Arc<Mutex<vt100::Parser>>,
    written: Arc<Mutex<Vec<u8>>>,
    modes_before: String,
}

impl Terminal {
    pub(crate) fn start(program: &Command) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let path = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let device = OpenOptions::new().read(true).write(true).open(path).unwrap();
        tcsetwinsize(&device, Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let end = || Stdio::from(device.try_clone().unwrap());
        // In a new session, so that this is the program's controlling terminal, and not the terminal of the test run.
        let mut command = behind(program, "setsid", &["--ctty"]);
        let modes_before = modes(&device);
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let size = |cells| NonZeroU16::new(cells).unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(size(24), size(80), 0)));
        let person = File::from(person);
        let written = Arc::new(Mutex::new(Vec::new()));
        let (mut output, drawn, kept) = (person.try_clone().unwrap(), Arc::clone(&screen), Arc::clone(&written));
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = output.read(&mut buffer) {
                kept.lock().unwrap().extend_from_slice(&buffer[..count]);
                drawn.lock().unwrap().process(&buffer[..count]);
            }
        });
        Self { person, device, child, screen, written, modes_before }
    }

    pub(crate) fn type_in(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).unwrap();
    }

    /// Returns everything that the program wrote, with the escape sequences for cursor and colours.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.written.lock().unwrap()).into_owned()
    }

    /// Whether `wanted` is on the screen. The error holds the screen's text.
    pub(crate) fn shows(&self, wanted: &str) -> Result<(), String> {
        let screen = self.screen.lock().unwrap().screen().contents();
        if screen.contains(wanted) { Ok(()) } else { Err(format!("`{wanted}` is not in\n{screen}")) }
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Returns the program's exit status, or an error if it still runs.
    pub(crate) fn ended(&mut self) -> Result<ExitStatus, String> {
        self.child.try_wait().unwrap().ok_or_else(|| "it still runs".to_owned())
    }

    /// Whether the program left the terminal as it was. The error names the differences.
    pub(crate) fn left_as_it_was(&self) -> Result<(), String> {
        let parser = self.screen.lock().unwrap();
        let screen = parser.screen();
        let differences = [
            ("its modes", modes(&self.device) != self.modes_before),
            ("the alternate screen is shown", screen.alternate_screen()),
            ("the cursor is hidden", screen.hide_cursor()),
        ];
        let found: Vec<&str> = differences.into_iter().filter(|(_, differs)| *differs).map(|(what, _)| what).collect();
        if found.is_empty() { Ok(()) } else { Err(found.join(", ")) }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The program has already ended if the test succeeded.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn modes(device: &File) -> String {
    let modes = tcgetattr(device).unwrap();
    format!("{:?} {:?} {:?} {:?}", modes.input_modes, modes.output_modes, modes.control_modes, modes.local_modes)
}
