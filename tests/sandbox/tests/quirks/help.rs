//! `sandbox serve` as a newcomer meets it: each example of its help is sent to it, in its order.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::caller::client;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sandbox");

/// `sandbox serve` on a port of its own. It is killed when this goes.
struct Served {
    child: Child,
    base_url: String,
    /// The lines in which it names its campaigns.
    campaigns: Vec<String>,
}

impl Served {
    fn with(arguments: &[&str], stderr: Stdio) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(["serve", "--port", "0"]).args(arguments).stdout(Stdio::piped()).stderr(stderr);
        let mut child = command.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line.split_once("http://")?.1.split_once(',')?.0.to_owned())).unwrap();
        let campaigns = lines.by_ref().take_while(|line| line.starts_with("  1")).collect();
        // Its lines have to go somewhere as long as it writes them.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base_url: format!("http://{url}"), campaigns }
    }

    /// Ends it, and answers what it has written there.
    fn stderr(mut self) -> String {
        self.child.kill().unwrap();
        let mut told = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut told).unwrap();
        told
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have been ended.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// What a curl command sends.
struct Sent {
    method: Method,
    url: String,
    body: Option<String>,
}

impl Sent {
    fn by(command: &str) -> Self {
        let words = shlex::split(command).unwrap();
        let mut words = words.into_iter();
        assert_eq!(words.next().unwrap(), "curl");
        let (mut method, mut url, mut body) = (None, None, None);
        while let Some(word) = words.next() {
            match word.as_str() {
                "-X" => method = Some(words.next().unwrap().parse().unwrap()),
                "-d" => body = words.next(),
                _ => assert_eq!(url.replace(word), None, "{command}: two addresses"),
            }
        }
        let usual = if body.is_some() { Method::POST } else { Method::GET };
        Self { method: method.unwrap_or(usual), url: url.unwrap(), body }
    }

    async fn send(self) -> (u16, Value) {
        let request = client().request(self.method, self.url);
        let request = match self.body {
            Some(body) => request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body),
            None => request,
        };
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }
}

#[tokio::test]
async fn without_a_database_it_says_once_that_it_waits_and_its_campaigns_are_named_without_colours() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("guard.db");
    let served = Served::with(&["--speed", "100", "--database", missing.to_str().unwrap()], Stdio::piped());
    assert_eq!(
        served.campaigns,
        [
            "  1001  campaign 1001, is paused",
            "  1002  campaign 1002, runs",
            "  1003  campaign 1003, is paused",
            "  1004  campaign 1004, runs",
        ]
    );
    // Many beats of the visitors later.
    loop {
        let spent = format!("curl {}/sandbox/campaigns/1002", served.base_url);
        let (_, shown) = Sent::by(&spent).send().await;
        if shown["answered_as"]["spent_today"].as_f64() >= Some(1.0) {
            break;
        }
    }
    let told = served.stderr();
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 1, "{told}");
    assert!(told.contains("the visitors' clicks wait for") && told.contains("`traffic-generator migrate`"), "{told}");
    assert!(!told.contains('\x1b'), "{told}");
}

#[tokio::test]
async fn each_example_of_the_help_works_when_it_is_pasted() {
    let help = Command::new(PROGRAM).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let served = Served::with(&[], Stdio::inherit());
    let commands: Vec<&str> = help.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert!(commands.len() > 30, "{help}");
    for command in &commands {
        let here = command.replace("http://127.0.0.1:8080", &served.base_url);
        assert_ne!(&here, command, "the port is that of the default");
        let (status, answer) = Sent::by(&here).send().await;
        assert_eq!(status, 200, "{command}: {answer}");
    }
    let (_, overview) = Sent::by(&format!("curl {}/sandbox", served.base_url)).send().await;
    let examples = overview["examples"].as_array().unwrap().iter();
    let listed = examples.flat_map(|example| example["commands"].as_array().unwrap());
    let here = commands.iter().map(|command| json!(command.replace("http://127.0.0.1:8080", &served.base_url)));
    assert!(listed.cloned().eq(here), "the overview lists the same: {overview}");
}
