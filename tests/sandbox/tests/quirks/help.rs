//! `sandbox serve` as a newcomer meets it: each example of its help is sent to it, in its order.

use std::io::{BufRead, BufReader};
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
}

impl Served {
    fn new() -> Self {
        let mut child = Command::new(PROGRAM).args(["serve", "--port", "0"]).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let url = lines.find_map(|line| Some(line.split_once("http://")?.1.split_once(',')?.0.to_owned())).unwrap();
        // Its lines have to go somewhere as long as it writes them.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base_url: format!("http://{url}") }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
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
async fn each_example_of_the_help_works_when_it_is_pasted() {
    let help = Command::new(PROGRAM).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let served = Served::new();
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
