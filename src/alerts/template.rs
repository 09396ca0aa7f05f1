//! How the body of a message is written: by a template that comes with the program, or by a file.
//!
//! Templates are Jinja templates (the library `minijinja`). In a file whose name ends in `.json`, each value is written as
//! a JSON value, with its quotes; in any other file as it is. The manual's topic `alerts` lists what a template can use.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use chrono_tz::Tz;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;
use thiserror::Error;

use super::message::{Body, Item, Message};
use crate::domain::alert::{AlertStep, Occasion, OccasionId};
use crate::domain::ids::{CampaignId, RemoteId};
use crate::domain::occasion::{OccasionCampaign, OccasionKey, OccasionKind, Severity};

/// The templates that come with the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shipped {
    /// The whole message as JSON.
    Standard,
    /// `sendMessage` of a Telegram bot, without markup.
    Telegram,
    /// An incoming webhook of Slack.
    Slack,
    /// A webhook of Discord.
    Discord,
    /// A topic of ntfy.
    Ntfy,
}

/// A way to write the body of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Template {
    /// A template of the program.
    Shipped(Shipped),
    /// A file of the operator's.
    File(FileTemplate),
}

/// A template in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileTemplate {
    /// The path of the file.
    pub path: PathBuf,
    /// What it contains.
    pub source: Arc<str>,
}

/// Why a template cannot be used.
#[derive(Debug, Error)]
pub enum TemplateError {
    /// It is not a template, or names something that no message has.
    #[error("{}{}", line(.0), .0)]
    Jinja(#[from] minijinja::Error),
    /// The name of the file promises JSON, and what it writes is not JSON.
    #[error(
        "what it writes is not JSON ({0}): write values without quotes around them, as {{{{ text }}}}, or give the file \
         another name than .json"
    )]
    NotJson(serde_json::Error),
    /// The message could not be written as JSON.
    #[error("the message cannot be written as JSON")]
    Json(#[source] serde_json::Error),
}

fn line(error: &minijinja::Error) -> String {
    error.line().map(|line| format!("line {line}: ")).unwrap_or_default()
}

/// What is sent: the body, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The body.
    pub body: String,
    /// Its content type.
    pub content_type: &'static str,
}

const JSON: &str = "application/json";
const PLAIN: &str = "text/plain; charset=utf-8";

impl FromStr for Shipped {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "standard" => Ok(Self::Standard),
            "telegram" => Ok(Self::Telegram),
            "slack" => Ok(Self::Slack),
            "discord" => Ok(Self::Discord),
            "ntfy" => Ok(Self::Ntfy),
            _ => Err(()),
        }
    }
}

impl Shipped {
    /// Returns the name and the source of the template; `None` if the body is the message itself.
    const fn file(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Standard => None,
            Self::Telegram => Some(("telegram.json", include_str!("templates/telegram.json"))),
            Self::Slack => Some(("slack.json", include_str!("templates/slack.json"))),
            Self::Discord => Some(("discord.json", include_str!("templates/discord.json"))),
            Self::Ntfy => Some(("ntfy.txt", include_str!("templates/ntfy.txt"))),
        }
    }
}

impl Template {
    /// Writes a message.
    ///
    /// # Errors
    /// The template cannot be used.
    pub fn write(&self, message: &Message, zone: Tz) -> Result<Written, TemplateError> {
        let path;
        let (name, source) = match self {
            Self::Shipped(shipped) => match shipped.file() {
                Some(file) => file,
                None => {
                    let body = serde_json::to_string(&message.body(zone)).map_err(TemplateError::Json)?;
                    return Ok(Written { body, content_type: JSON });
                }
            },
            Self::File(file) => {
                path = file.path.display().to_string();
                (path.as_str(), &*file.source)
            }
        };
        let body = render(name, source, message, zone)?;
        if !name.ends_with(".json") {
            return Ok(Written { body, content_type: PLAIN });
        }
        serde_json::from_str::<serde::de::IgnoredAny>(&body).map_err(TemplateError::NotJson)?;
        Ok(Written { body, content_type: JSON })
    }

    /// Checks that each kind of message can be written.
    ///
    /// # Errors
    /// The template cannot be used.
    pub fn check(&self) -> Result<(), TemplateError> {
        for message in samples() {
            self.write(&message, Tz::UTC)?;
        }
        Ok(())
    }
}

fn render(name: &str, source: &str, message: &Message, zone: Tz) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment
        .set_auto_escape_callback(|name| if name.ends_with(".json") { AutoEscape::Json } else { AutoEscape::None });
    environment.add_filter("shorten", shorten);
    environment.add_filter("slack", slack);
    environment.add_filter("markdown", markdown);
    environment.add_template(name, source)?;
    let values = Values {
        id: &message.id,
        body: message.body(zone),
        severity: message.severity(),
        title: message.title(),
        text: message.text(zone),
        count: message.items.len(),
    };
    environment.get_template(name)?.render(minijinja::Value::from(Serde(&values)))
}

/// What a template can use.
#[derive(Serialize)]
struct Values<'a> {
    id: &'a str,
    /// `type`, `timestamp` and `data`, as in the template `standard`.
    #[serde(flatten)]
    body: Body,
    severity: Severity,
    title: String,
    text: String,
    count: usize,
}

/// Cuts a text to this many bytes. Services count bytes or UTF-16 units, of which there are never more.
fn shorten(text: &str, most: usize) -> String {
    const ELLIPSIS: &str = "…";
    if text.len() <= most {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(most.saturating_sub(ELLIPSIS.len()));
    text.get(..end).unwrap_or_default().to_owned() + ELLIPSIS
}

/// Escapes the three characters that Slack reads as markup.
fn slack(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Escapes what Markdown reads as markup.
fn markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if "\\*_~`|>#[]()<@".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Returns messages of each kind, to check a template: with and without a campaign, gathered and alone.
fn samples() -> Vec<Message> {
    let since = chrono::DateTime::UNIX_EPOCH;
    let campaign = OccasionCampaign { id: CampaignId(1), name: "\"a\" <b>".to_owned(), trafficstar_id: RemoteId(2) };
    let occasion = Occasion {
        id: Some(OccasionId(1)),
        campaign: Some(campaign),
        key: OccasionKey::of(OccasionKind::Contested),
        severity: Severity::Warning,
        text: "a sample".to_owned(),
        lasts: true,
        since,
        resolved_at: None,
        acked: None,
    };
    let item = Item { occasion, step: AlertStep::Firing, reminder: 0 };
    let other = Occasion { campaign: None, id: None, resolved_at: Some(since), ..item.occasion.clone() };
    let other = Item { occasion: other, step: AlertStep::Resolved, reminder: 0 };
    let message = |items| Message { id: "sample".to_owned(), gathered_at: since, items };
    vec![message(vec![item.clone()]), message(vec![other.clone()]), message(vec![item, other])]
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NASTY: &str = "*bold* _it_ `code` [link](http://evil) <b>@everyone</b> <!channel> \"q\" \\ {{ 7 }} {% raw %}";

    fn nasty() -> Message {
        let mut message = samples().remove(0);
        message.items[0].occasion.campaign.as_mut().unwrap().name = NASTY.to_owned();
        message
    }

    fn written(shipped: Shipped) -> Value {
        serde_json::from_str(&Template::Shipped(shipped).write(&nasty(), Tz::UTC).unwrap().body).unwrap()
    }

    #[test]
    fn each_shipped_template_can_write_each_kind_of_message() {
        for word in ["standard", "telegram", "slack", "discord", "ntfy"] {
            Template::Shipped(word.parse().unwrap()).check().unwrap();
        }
        assert!("Telegram".parse::<Shipped>().is_err());
    }

    #[test]
    fn a_name_full_of_markup_is_plain_text_for_each_service() {
        let telegram = written(Shipped::Telegram);
        assert!(telegram["text"].as_str().unwrap().contains(NASTY), "{telegram}");
        assert_eq!(telegram.get("parse_mode"), None, "with it, Telegram would read markup");
        let slack = written(Shipped::Slack);
        let text = slack["blocks"][0]["text"]["text"].as_str().unwrap();
        assert_eq!(slack["blocks"][0]["text"]["type"], "plain_text");
        assert!(text.contains("&lt;!channel&gt;") && !text.contains("<!channel>"), "{text}");
        let discord = written(Shipped::Discord);
        assert_eq!(discord["allowed_mentions"], json!({"parse": []}));
        assert!(discord["content"].as_str().unwrap().contains("\\*bold\\* \\_it\\_ \\`code\\`"), "{discord}");
        let ntfy = Template::Shipped(Shipped::Ntfy).write(&nasty(), Tz::UTC).unwrap();
        assert!(ntfy.body.contains(NASTY) && ntfy.content_type.starts_with("text/plain"), "{ntfy:?}");
    }

    #[test]
    fn a_long_message_is_cut_to_what_each_service_takes() {
        let mut message = samples().remove(2);
        message.items[0].occasion.text = "😀*".repeat(5_000);
        for (shipped, field, most) in [
            (Shipped::Telegram, "/text", 4_096),
            (Shipped::Slack, "/blocks/0/text/text", 3_000),
            (Shipped::Discord, "/content", 2_000),
        ] {
            let body: Value =
                serde_json::from_str(&Template::Shipped(shipped).write(&message, Tz::UTC).unwrap().body).unwrap();
            let text = body.pointer(field).and_then(Value::as_str).unwrap();
            assert!(text.encode_utf16().count() <= most && text.ends_with('…'), "{shipped:?}: {}", text.len());
        }
        assert!(Template::Shipped(Shipped::Ntfy).write(&message, Tz::UTC).unwrap().body.len() <= 4_096);
    }

    #[test]
    fn a_file_is_refused_by_the_line_that_is_wrong() {
        for (path, source, says) in [
            ("mail.txt", "To: ops\n\n{{ text", "line 3: syntax error"),
            ("mail.txt", "{{ titel }}", "line 1: undefined value"),
            ("hook.json", "{\"text\": \"{{ text }}\"}", "is not JSON"),
            ("hook.json", "{\"text\": {{ text|unheard_of }}}", "line 1: unknown filter"),
        ] {
            let template = Template::File(FileTemplate { path: path.into(), source: source.into() });
            let error = template.check().unwrap_err().to_string();
            assert!(error.contains(says), "{source}: {error}");
        }
        let mail =
            FileTemplate { path: "mail.txt".into(), source: "To: ops\nSubject: {{ title }}\n\n{{ text }}\n".into() };
        let mail = Template::File(mail).write(&nasty(), Tz::UTC).unwrap();
        assert!(mail.body.starts_with("To: ops\nSubject: [warning] contested, "), "{}", mail.body);
    }
}
