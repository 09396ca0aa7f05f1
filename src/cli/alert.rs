//! `alert list`, `test`, `ack` and `mute`.

use chrono::{DateTime, Utc};
use clap::Subcommand;
use ratatui::text::Line;

use super::draw::columns::{self, Column};
use super::draw::paper::Paper;
use super::draw::text::flow;
use super::render::{count_of, span};
use super::target::Target;
use super::{Arguments, CommandError, progress, values};
use crate::clock::Clock;
use crate::control::{AlertView, Alerts, DeliveryView, MuteBody, ReceiverView, TestAlert, TestResult};
use crate::domain::alert::{Mute, OccasionId};
use crate::domain::text::date;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Show the alerts: open ones first, then the newest others, with who was told; and the receivers
    #[command(
        after_help = "Example: traffic-generator alert list --json | jq '.alerts[] | select(.state == \"firing\")'"
    )]
    List,
    /// Send a test message to a receiver, or to all, and show what each answers
    #[command(after_help = "Example: traffic-generator alert test ops")]
    Test {
        /// The receiver's name in the config [default: every receiver]
        #[arg(value_name = "NAME")]
        name: Option<String>,
    },
    /// Take an alert over: no reminder of it is sent
    #[command(after_help = "Example: traffic-generator alert ack 17")]
    Ack {
        /// The alert's number, as `alert list` shows it
        #[arg(value_name = "ID")]
        id: i64,
    },
    /// Send no alerts for a while, of one campaign or at all; what is still the case then is sent afterwards
    #[command(after_help = "Example: traffic-generator alert mute shoes --for 2h --reason \"new creatives\"")]
    Mute {
        /// A campaign's id, its name, or `ts:` and its id at TrafficStars [default: all alerts]
        #[arg(value_name = "CAMPAIGN", allow_negative_numbers = true)]
        campaign: Option<Target>,
        /// For how long, like 90s or 2h; 0s ends a mute
        #[arg(long = "for", value_name = "DURATION", value_parser = values::mute_span, allow_hyphen_values = true)]
        lasts: String,
        /// The reason, shown with the mute
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

pub(super) async fn carry_out(arguments: &Arguments, verb: &Verb) -> Result<(), CommandError> {
    let client = arguments.client()?;
    match verb {
        Verb::List => {
            let alerts = client.alerts().await?;
            let now = Clock::system().now();
            arguments.draw(&alerts, |paper| lines(&alerts, now, paper))
        }
        Verb::Test { name } => {
            let body = TestAlert { receiver: name.clone(), by: None };
            let sent = async { Ok(client.test_alerts(&body).await?) };
            let results = progress::waited(sent, "the receivers' answers").await?;
            arguments.print(&results, || of_tests(&results))?;
            let failed = results.iter().filter(|result| !result.delivered).count();
            let of = results.len() as u64;
            if failed == 0 { Ok(()) } else { Err(CommandError::NotDelivered { failed, of }) }
        }
        Verb::Ack { id } => {
            let alert = client.ack(OccasionId(*id)).await?;
            arguments.print(&alert, || of_acked(&alert))
        }
        Verb::Mute { campaign, lasts, reason } => {
            let body = |campaign| MuteBody { campaign, lasts: lasts.clone(), reason: reason.clone() };
            let mutes = match campaign {
                Some(target) => target.ask(&client, async |id| client.mute(&body(Some(id))).await).await?,
                None => client.mute(&body(None)).await?,
            };
            arguments.print(&mutes, || of_mutes(&mutes))
        }
    }
}

/// Returns the result of `alert test`, in words.
pub(super) fn of_tests(results: &[TestResult]) -> String {
    results.iter().map(in_words).collect::<Vec<_>>().join("\n")
}

/// Returns the result of `alert ack`, in words.
pub(super) fn of_acked(alert: &AlertView) -> String {
    let id = alert.id.map(|id| format!(" {id}")).unwrap_or_default();
    format!("Alert{id} ({}) is taken over: no reminder of it is sent.", alert.key)
}

/// Returns the result of `alert mute`, in words.
pub(super) fn of_mutes(mutes: &[Mute]) -> String {
    match mutes {
        [] => "Nothing is muted.".to_owned(),
        mutes => mutes.iter().map(of_mute).collect::<Vec<_>>().join("\n"),
    }
}

fn in_words(result: &TestResult) -> String {
    let TestResult { receiver, way_out, error, .. } = result;
    match error {
        None => format!("{receiver}: delivered to {way_out}"),
        Some(error) => format!("{receiver}: not delivered to {way_out}: {error}"),
    }
}

fn of_mute(mute: &Mute) -> String {
    let what =
        mute.campaign.map_or_else(|| "All alerts are".to_owned(), |id| format!("The alerts of campaign {id} are"));
    let by = mute.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let reason = mute.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!("{what} muted until {} UTC{by}{reason}.", date(mute.until))
}

const COLUMNS: [Column; 6] = [
    Column::new("ID").right(),
    Column::new("SEVERITY").leaves(1),
    Column::new("STATE").cut_to(8),
    Column::new("SINCE").leaves(2),
    Column::new("TOLD").cut_to(10),
    Column::new("WHAT").cut_to(20),
];

const RECEIVER_COLUMNS: [Column; 5] = [
    Column::new("RECEIVER").cut_to(10),
    Column::new("FROM").leaves(1),
    Column::new("WAITING").right(),
    Column::new("LOST").right(),
    Column::new("STATE").cut_to(20),
];

fn lines(alerts: &Alerts, now: DateTime<Utc>, paper: Paper) -> Vec<Line<'static>> {
    let Alerts { alerts, receivers, mutes } = alerts;
    let open = alerts.iter().filter(|alert| alert.is_open()).count();
    let heading = if alerts.is_empty() {
        "There are no alerts.".to_owned()
    } else {
        format!("{} {} open.", count_of(open, "alert"), if open == 1 { "is" } else { "are" })
    };
    let mut lines = vec![Line::from(heading)];
    lines.extend(mutes.iter().flat_map(|mute| flow(vec![of_mute(mute).into()], "", paper.width)));
    let table = |columns: &[Column], rows: Vec<Vec<Line<'static>>>| {
        let drawn = columns::table(columns, &rows, paper.width, paper.theme.label());
        [Line::default()].into_iter().chain(drawn)
    };
    if !alerts.is_empty() {
        lines.extend(table(&COLUMNS, alerts.iter().map(|alert| row(alert, now)).collect()));
    }
    if !receivers.is_empty() {
        lines.extend(table(&RECEIVER_COLUMNS, receivers.iter().map(|one| receiver_row(one, now)).collect()));
    }
    lines
}

fn row(alert: &AlertView, now: DateTime<Utc>) -> Vec<Line<'static>> {
    let about = alert.campaign.as_ref().map(|campaign| format!("{} ({}): ", campaign.name, campaign.id));
    let state = match (&alert.acked, alert.state.as_str()) {
        (Some(ack), "firing") => {
            ack.by.as_ref().map_or_else(|| "taken over".to_owned(), |by| format!("taken over by {by}"))
        }
        (_, state) => state.to_owned(),
    };
    let cells = [
        alert.id.map_or_else(|| "-".to_owned(), |id| id.to_string()),
        alert.severity.to_string(),
        state,
        format!("{} ago", span(alert.since, now)),
        told(&alert.deliveries),
        format!("{}: {}{}", alert.occasion, about.unwrap_or_default(), alert.text.replace('\n', " ")),
    ];
    cells.map(Line::from).to_vec()
}

/// Returns who was told, and who could not be told.
fn told(deliveries: &[DeliveryView]) -> String {
    let each = deliveries.iter().map(|delivery| {
        let receiver = &delivery.receiver;
        match (delivery.delivered_at, delivery.given_up_at, delivery.attempts) {
            (Some(_), ..) => receiver.clone(),
            (None, Some(_), _) => format!("{receiver} (given up)"),
            (None, None, 0) => format!("{receiver} (waits)"),
            (None, None, attempts) => format!("{receiver} (failed {attempts}x)"),
        }
    });
    let each: Vec<String> = each.collect();
    if each.is_empty() { "-".to_owned() } else { each.join(", ") }
}

fn receiver_row(receiver: &ReceiverView, now: DateTime<Utc>) -> Vec<Line<'static>> {
    let why = || receiver.last_error.clone().unwrap_or_default();
    let state = match (receiver.disabled_at, receiver.failing_since, receiver.delivered_at) {
        (Some(at), ..) => format!("disabled {} ago: {}", span(at, now), why()),
        (None, Some(since), _) => format!("failing for {}: {}", span(since, now), why()),
        (None, None, Some(at)) => format!("last delivery {} ago", span(at, now)),
        (None, None, None) => "nothing was sent yet".to_owned(),
    };
    let cells = [
        receiver.name.clone(),
        receiver.severity.to_string(),
        receiver.waiting.to_string(),
        receiver.lost.to_string(),
        format!("{state} ({})", receiver.way_out),
    ];
    cells.map(Line::from).to_vec()
}
