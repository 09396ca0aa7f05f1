//! `sandbox serve` as a newcomer uses it: the tests send each example of its help, in the given order.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};

use crate::caller::client;

const PROGRAM: &str = env!("CARGO_BIN_EXE_sandbox");

/// `sandbox serve` on a free port. It is killed when this value is dropped.
struct Served {
    child: Child,
    base_url: String,
    /// The lines that list its campaigns.
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
        // Something has to read its further lines, or its writes would block.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, base_url: format!("http://{url}"), campaigns }
    }

    /// Kills the program, and returns what it has written to stderr.
    fn stderr(mut self) -> String {
        self.child.kill().unwrap();
        let mut written = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut written).unwrap();
        written
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // The program may have been killed already.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }
}

/// The request that a curl command sends.
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
async fn serve_lists_its_campaigns_and_warns_once_of_a_missing_database_without_colours() {
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
    // Waits for some spend: by then the visitors' thread has tried many times to count clicks.
    loop {
        let spent = format!("curl {}/sandbox/campaigns/1002", served.base_url);
        let (_, shown) = Sent::by(&spent).send().await;
        if shown["answered_as"]["spent_today"].as_f64() >= Some(1.0) {
            break;
        }
    }
    let written = served.stderr();
    let lines: Vec<&str> = written.lines().collect();
    assert_eq!(lines.len(), 1, "{written}");
    assert!(
        written.contains("the visitors' clicks wait for") && written.contains("`traffic-generator migrate`"),
        "{written}"
    );
    assert!(!written.contains('\x1b'), "{written}");
}

#[tokio::test]
async fn each_example_of_the_help_works() {
    let help = Command::new(PROGRAM).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let served = Served::with(&[], Stdio::inherit());
    let commands: Vec<&str> = help.lines().map(str::trim).filter(|line| line.starts_with("curl ")).collect();
    assert!(commands.len() > 30, "{help}");
    for command in &commands {
        let here = command.replace("http://127.0.0.1:8080", &served.base_url);
        assert_ne!(&here, command, "the examples use the default port");
        let (status, answer) = Sent::by(&here).send().await;
        assert_eq!(status, 200, "{command}: {answer}");
    }
    let (_, overview) = Sent::by(&format!("curl {}/sandbox", served.base_url)).send().await;
    let examples = overview["examples"].as_array().unwrap().iter();
    let listed = examples.flat_map(|example| example["commands"].as_array().unwrap());
    let here = commands.iter().map(|command| json!(command.replace("http://127.0.0.1:8080", &served.base_url)));
    assert!(listed.cloned().eq(here), "the overview lists the same commands: {overview}");
}

/// Returns what `jq` would print of an answer for a filter such as `.`, `.a.b` or `[.a, .b]`.
fn filtered(answer: &Value, filter: &str) -> Value {
    match filter.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(several) => several.split(", ").map(|one| filtered(answer, one)).collect(),
        None if filter == "." => answer.clone(),
        None => answer.pointer(&filter.replace('.', "/")).cloned().unwrap_or_default(),
    }
}

/// Returns a shown value; a time without its day, because the day varies.
fn without_day(shown: &str) -> &str {
    shown.split_once('T').filter(|_| shown.ends_with('Z')).map_or(shown, |(_, time)| time)
}

#[tokio::test]
async fn each_curl_command_of_the_page_on_the_tests_gets_the_answer_that_the_page_shows() {
    let page = include_str!("../../../README.md");
    let served = Served::with(&[], Stdio::inherit());
    let lines: Vec<&str> = page.lines().collect();
    let calls = lines.windows(2).filter_map(|pair| Some((pair[0].strip_prefix("$ curl -s ")?, pair[1])));
    let mut count = 0;
    for (call, shown) in calls {
        let (sent, jq) = call.split_once(" | jq ").unwrap();
        let sent = format!("curl {sent}").replace("http://127.0.0.1:8080", &served.base_url);
        let (status, answer) = Sent::by(&sent).send().await;
        assert_eq!(status, 200, "{call}: {answer}");
        let filter = jq.trim_start_matches("-c ").trim_start_matches("-r ").trim_matches('\'');
        let value = filtered(&answer, filter);
        let raw = value.as_str().filter(|_| jq.starts_with("-r ")).map(str::to_owned);
        let printed = raw.unwrap_or_else(|| value.to_string());
        assert_eq!(without_day(&printed), without_day(shown), "{call}");
        count += 1;
    }
    assert_eq!(count, 4, "the number of curl commands in tests/README.md");
}
