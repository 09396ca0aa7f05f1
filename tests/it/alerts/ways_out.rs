//! How a message is written and where it goes: the templates for chat services, a template of the operator's, and
//! commands that get messages on their standard input.

use std::path::PathBuf;

use sandbox::CampaignSpec;
use serde_json::{Value, json};

use super::{ID, NO_FUNDS, only, set_funds, taken};
use crate::helper::{Config, Receiver, World, assert_says};

/// A campaign's name that chat services could take for markup, for a mention or for a part of a template.
const NASTY: &str = r#"*bold* _it_ `code` [link](http://evil.example) <b>@everyone</b> <!channel> & "q" \ {{ 7 }}"#;

/// Starts a world with one receiver, and lets a campaign with the nasty name run out of funds.
fn world_with_nasty_name(config: Config) -> World {
    let mut world = World::configured(config);
    world.sandbox.add_campaign(CampaignSpec { no_funds: true, ..CampaignSpec::running(ID) });
    world.database.add_row(NASTY, ID, false);
    world.database.add_url(ID, "first", 20_000);
    world.database.enable(ID);
    world
}

/// Returns the body of the first message that a receiver gets with this template.
fn first_body(template: &str, config: Config) -> (String, String) {
    let receiver = Receiver::start();
    // These services check no signature.
    let keys = [
        ("name", "chat".into()),
        ("url", receiver.url().into()),
        ("template", template.into()),
        ("group_wait", "0s".into()),
        only(&["no-funds"]),
    ];
    let mut world = world_with_nasty_name(config.alert(&keys));
    let post = world.wait_for("the message", |_| taken(&receiver).first().cloned().ok_or_else(|| "none".to_owned()));
    assert_eq!(post.header("webhook-signature"), "", "there is no secret");
    (post.header("content-type").to_owned(), post.body)
}

#[test]
fn a_name_full_of_markup_reaches_telegram_unchanged_and_as_plain_text() {
    let (content_type, body) = first_body("telegram", Config::default());
    assert_eq!(content_type, "application/json");
    let body: Value = serde_json::from_str(&body).unwrap();
    let text = body["text"].as_str().unwrap();
    assert!(text.starts_with(&format!("[critical] no-funds, {NASTY} (campaign 1): ")), "{text}");
    assert_eq!(body.get("parse_mode"), None, "with it, Telegram would read markup");
}

#[test]
fn a_name_full_of_markup_is_text_for_the_other_services_too() {
    let json_of =
        |template: &str| -> Value { serde_json::from_str(&first_body(template, Config::default()).1).unwrap() };
    let slack = json_of("slack");
    let block = &slack["blocks"][0]["text"];
    assert_eq!(block["type"], "plain_text", "{slack:#}");
    assert!(!slack.to_string().contains("<!channel>"), "{slack:#}");
    let discord = json_of("discord");
    assert_eq!(discord["allowed_mentions"], json!({"parse": []}), "{discord:#}");
    assert_says(discord["content"].as_str().unwrap(), &[r"\*bold\* \_it\_ \`code\`"]);
    let (content_type, text) = first_body("ntfy", Config::default());
    assert!(content_type.starts_with("text/plain") && text.contains(NASTY), "{content_type}: {text}");
}

#[test]
fn a_template_of_the_operators_is_used_as_it_is_written() {
    let mail = "To: ops@example.com\nSubject: {{ title }}\n\n{{ text }}\n{{ count }} of {{ severity }}, {{ type }}\n";
    let (content_type, text) = first_body("mail.txt", Config::default().file("mail.txt", mail));
    assert!(content_type.starts_with("text/plain"), "{content_type}");
    let subject =
        format!("To: ops@example.com\nSubject: [critical] no-funds, {NASTY} (campaign 1)\n\n[critical] no-funds, ");
    assert!(text.starts_with(&subject) && text.ends_with("1 of critical, campaign.no-funds"), "{text}");
}

/// Returns the path of a file beside the config.
fn beside(world: &World, name: &str) -> PathBuf {
    world.guard.config_file().with_file_name(name)
}

/// Starts a world whose receiver is this shell script, which runs in the guard's folder.
fn telling_a_script(script: &str) -> World {
    let command: Vec<toml::Value> = ["/bin/sh", "tell.sh", "ops"].map(toml::Value::from).into();
    let keys =
        [("name", "script".into()), ("command", command.into()), ("group_wait", "0s".into()), only(&["no-funds"])];
    let mut world = World::configured(Config::default().file("tell.sh", script).alert(&keys));
    world.add_guarded(ID);
    world
}

/// Waits for a file beside the config that holds JSON, and returns it.
fn wait_for_json(world: &mut World, name: &str) -> Value {
    world.wait_for(name, |world| {
        let text = std::fs::read_to_string(beside(world, name)).map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))
    })
}

#[test]
fn a_command_gets_each_message_as_json_on_its_input_and_no_secret_in_its_environment() {
    let mut world =
        telling_a_script("cat > message.part\nenv > environment\necho \"$1\" > argument\nmv message.part message\n");
    set_funds(&world, ID, false);
    let message = wait_for_json(&mut world, "message");
    assert_eq!(message["type"], "campaign.no-funds", "{message:#}");
    let mut item = message["data"].clone();
    item["type"] = message["type"].clone();
    NO_FUNDS.compare(&item);
    assert_eq!(std::fs::read_to_string(beside(&world, "argument")).unwrap(), "ops\n");
    let environment = std::fs::read_to_string(beside(&world, "environment")).unwrap();
    for secret in ["TRAFFICSTAR_API_KEY", "sandbox-api-key"] {
        assert!(!environment.contains(secret), "{environment}");
    }
    world.wait_until_listed("no-funds/1", "delivered", |alert| alert["deliveries"][0]["delivered_at"].is_string());
    assert_eq!(world.listed_receiver("script")["way_out"], "/bin/sh");
}

#[test]
fn a_command_that_fails_is_run_again_with_the_same_message() {
    let script = "cat > message.part\n\
         if [ -e repaired ]; then mv message.part second; exit 0; fi\n\
         mv message.part first; echo 'the modem is busy' >&2; exit 3\n";
    let mut world = telling_a_script(script);
    set_funds(&world, ID, false);
    let first = wait_for_json(&mut world, "first");
    world.wait_until_listed("no-funds/1", "its failure", |alert| {
        let error = alert["deliveries"][0]["error"].as_str();
        error.is_some_and(|error| error.contains("exit status: 3") && error.contains("the modem is busy"))
    });
    std::fs::write(beside(&world, "repaired"), "").unwrap();
    assert_eq!(wait_for_json(&mut world, "second"), first);
    world.wait_until_listed("no-funds/1", "delivered", |alert| alert["deliveries"][0]["delivered_at"].is_string());
}

#[test]
fn a_command_that_cannot_be_started_is_a_failure_like_any_other() {
    let command: Vec<toml::Value> = vec!["/nonexistent/tell-ops".into()];
    let keys = [
        ("name", "script".into()),
        ("command", command.into()),
        ("severity", "info".into()),
        ("group_wait", "0s".into()),
    ];
    let mut world = World::configured(Config::default().alert(&keys));
    let state = world.wait_for_receiver("script", "its failure", |receiver| receiver["last_error"].is_string());
    assert_says(state["last_error"].as_str().unwrap(), &["the command cannot be started: "]);
    assert_eq!(world.run(&["alert", "test"]).code, 1);
}
