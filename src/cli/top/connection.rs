//! The view's connection to the supervisor, on a thread of its own, so that drawing and keys never wait for an answer.
//!
//! There is one poll at a time. It begins a second after the last one began, or later, when that was answered: a slow
//! supervisor gets fewer requests, never two at once.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Message;
use super::app::{Notice, Order, State};
use crate::cli::order_report::OrderReport;
use crate::cli::{alert, disable, enable, hold, pause_all, process};
use crate::control::client::{Client, ClientError};
use crate::control::{CampaignPatch, HoldBody, MuteBody, ProcessBody, TestAlert};
use crate::domain::ids::CampaignId;
use crate::error_chain::in_full;

const POLL_EVERY: Duration = Duration::from_secs(1);
/// How long `m` and `M` mute alerts.
pub(super) const MUTE_FOR: &str = "2h";
/// If the dump takes longer than this, the view shows that there is no answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// The view's requests to its connection.
pub(super) struct Wishes {
    /// The operator's orders.
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    /// The selected campaign, whose explanation is read.
    pub(super) selected: watch::Receiver<Option<CampaignId>>,
}

/// Polls, gives orders and receives signals until the view has ended. Sends to `ready` once signals are received: from
/// then on a signal ends the view and restores the terminal.
pub(super) async fn run(
    client: Client,
    mut wishes: Wishes,
    messages: Sender<Message>,
    ready: Sender<()>,
) -> std::io::Result<()> {
    let client = Arc::new(client);
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    // The view waits for this. If it has ended already, there is no receiver.
    let _ = ready.send(());
    let poll = tokio::spawn(poll(Arc::clone(&client), wishes.selected, messages.clone()));
    loop {
        tokio::select! {
            order = wishes.orders.recv() => match order {
                Some(order) => drop(tokio::spawn(give(Arc::clone(&client), order, messages.clone()))),
                None => break,
            },
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => break,
        }
    }
    poll.abort();
    Ok(())
}

async fn poll(client: Arc<Client>, mut selected: watch::Receiver<Option<CampaignId>>, messages: Sender<Message>) {
    let mut clock = interval(POLL_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = clock.tick() => {
                let answer = match timeout(ANSWERS_WITHIN, state(&client)).await {
                    Ok(Ok(state)) => Ok(Box::new(state)),
                    Ok(Err(error)) => Err(trouble(&error)),
                    Err(_) => Err(format!("NO ANSWER for {} s", ANSWERS_WITHIN.as_secs())),
                };
                if messages.send(Message::State(answer)).is_err() {
                    return;
                }
            }
            // Another campaign is selected: its explanation is read at once, without waiting for the next poll.
            changed = selected.changed() => if changed.is_err() { return },
        }
        let campaign = *selected.borrow_and_update();
        if let Some(campaign) = campaign {
            let explained = timeout(ANSWERS_WITHIN, client.explain(campaign)).await;
            // Without an explanation the view shows the facts alone. A missing supervisor shows by the missing dump.
            let explanation = explained.ok().and_then(Result::ok).map(Box::new);
            if messages.send(Message::Explanation(explanation)).is_err() {
                return;
            }
        }
    }
}

/// Reads the dump, the health and the alerts.
pub(super) async fn state(client: &Client) -> Result<State, ClientError> {
    let (dump, health) = tokio::try_join!(client.state(), client.health())?;
    // They come from the database, which may be away: then the campaigns are shown without them.
    let alerts = client.alerts().await.unwrap_or_default();
    Ok(State { dump, health, alerts })
}

/// Returns why no dump arrived, short enough for the header.
fn trouble(error: &ClientError) -> String {
    match error {
        ClientError::NoSupervisor(_) | ClientError::Lost(..) => "NO SUPERVISOR".to_owned(),
        ClientError::NotAllowed { .. } | ClientError::PathTooLong(_) | ClientError::NoConnection(..) => {
            "SOCKET NOT USABLE".to_owned()
        }
        ClientError::Broken(_) | ClientError::StillPending => "CONNECTION BROKEN".to_owned(),
        ClientError::Unreadable(_) => "UNREADABLE ANSWER (another version?)".to_owned(),
        ClientError::Refused(problem) => format!("NO DATA ({} {})", problem.status, problem.title),
    }
}

/// Gives an order as the command of that name does, and sends the command's text to the view.
async fn give(client: Arc<Client>, order: Order, messages: Sender<Message>) {
    let notice = match reported(&client, &order).await {
        Ok(OrderReport { said, warnings, is_problem }) => {
            // Warnings come first, since a long text is cut.
            let text = warnings.into_iter().chain([said]).collect::<Vec<_>>().join("; ").replace('\n', " ");
            Notice { text: format!("{order}: {text}"), is_problem }
        }
        Err(error) => Notice { text: format!("{order}: {}", in_full(&error)), is_problem: true },
    };
    // If the view has ended, there is no receiver.
    let _ = messages.send(Message::Answer(notice));
}

async fn reported(client: &Client, order: &Order) -> Result<OrderReport, ClientError> {
    Ok(match order {
        Order::Process(campaign) => process::of_processed(&client.process(*campaign, ProcessBody::default()).await?),
        Order::Hold(campaign, reason) => {
            let body = HoldBody { reason: Some(reason.clone()), ..HoldBody::default() };
            hold::of_held(*campaign, &client.hold(*campaign, &body).await?)
        }
        Order::Enable(campaign) => {
            let campaign = client.patch_campaign(*campaign, &CampaignPatch::enable(false, None)).await?;
            OrderReport::new(enable::of_enabled(client, &campaign).await, Vec::new())
        }
        Order::Disable(campaign) => {
            let campaign = client.patch_campaign(*campaign, &CampaignPatch::disable(false, false)).await?;
            OrderReport::new(disable::of_disabled(client, &campaign, false).await, Vec::new())
        }
        Order::ReleaseAll => {
            pause_all::of_released_all(&client.release_all().await?, client.state().await.ok().as_ref())
        }
        Order::Ack(id) => OrderReport::new(alert::of_acked(&client.ack(*id).await?), Vec::new()),
        Order::Mute(campaign) => {
            let body = MuteBody { campaign: *campaign, lasts: MUTE_FOR.to_owned(), reason: None };
            OrderReport::new(alert::of_mutes(&client.mute(&body).await?), Vec::new())
        }
        Order::TestAlerts => {
            let results = client.test_alerts(&TestAlert::default()).await?;
            let is_problem = results.iter().any(|result| !result.delivered);
            OrderReport { is_problem, ..OrderReport::new(alert::of_tests(&results), Vec::new()) }
        }
        Order::Release(campaign) => hold::of_released(*campaign, &client.release(*campaign).await?),
        Order::PauseAll(reason) => {
            let held = client.hold_all(&pause_all::pause_of_all(reason)).await?;
            pause_all::of_held_all(&held, pause_all::Keeper::Supervisor)
        }
    })
}
