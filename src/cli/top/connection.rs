//! The view's talk with the supervisor, on a thread of its own: drawing and keys never wait for it.
//!
//! One poll at a time, begun a second after the last began or as soon as that was answered: a slow supervisor is asked
//! less often, never twice at once.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Message;
use super::app::{Notice, Order, State};
use crate::cli::campaign::of_generator;
use crate::cli::orders::{self, OrderReport};
use crate::control::client::{Client, ClientError};
use crate::control::{CampaignPatch, HoldBody, ProcessBody};
use crate::domain::ids::CampaignId;
use crate::error_chain::in_full;

const POLL_EVERY: Duration = Duration::from_secs(1);
/// A supervisor that takes longer than this for its dump is in trouble, and the operator should know.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);

/// What the view tells its connection.
pub(super) struct Wishes {
    /// Orders to be given.
    pub(super) orders: mpsc::UnboundedReceiver<Order>,
    /// The campaign whose explanation is wanted.
    pub(super) selected: watch::Receiver<Option<CampaignId>>,
}

/// Polls, gives orders and listens for signals until the view is gone. It is `ready` once a signal ends the view in order.
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
    // The view waits for this, unless it is gone.
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
            // Another campaign is selected: its explanation does not wait for the next poll.
            changed = selected.changed() => if changed.is_err() { return },
        }
        let campaign = *selected.borrow_and_update();
        if let Some(campaign) = campaign {
            let explained = timeout(ANSWERS_WITHIN, client.explain(campaign)).await;
            // Without one the view shows the facts alone; that the supervisor is gone is the dump's to say.
            let explanation = explained.ok().and_then(Result::ok).map(Box::new);
            if messages.send(Message::Explanation(explanation)).is_err() {
                return;
            }
        }
    }
}

/// The dump, and whether all is well.
pub(super) async fn state(client: &Client) -> Result<State, ClientError> {
    let (dump, health) = tokio::try_join!(client.state(), client.health())?;
    Ok(State { dump, health })
}

/// Why no dump came, short enough for the header.
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

/// Gives an order as the command of its name does, and tells the view what that command would print.
async fn give(client: Arc<Client>, order: Order, messages: Sender<Message>) {
    let notice = match told(&client, &order).await {
        Ok(OrderReport { said, warnings, is_problem }) => {
            // What did not go as asked stands first: a long text is cut.
            let text = warnings.into_iter().chain([said]).collect::<Vec<_>>().join("; ").replace('\n', " ");
            Notice { text: format!("{order}: {text}"), is_problem }
        }
        Err(error) => Notice { text: format!("{order}: {}", in_full(&error)), is_problem: true },
    };
    // A view that is gone shows no answer.
    let _ = messages.send(Message::Answer(notice));
}

async fn told(client: &Client, order: &Order) -> Result<OrderReport, ClientError> {
    Ok(match order {
        Order::Process(campaign) => orders::of_processed(&client.process(*campaign, ProcessBody::default()).await?),
        Order::Hold(campaign, reason) => {
            let body = HoldBody { reason: Some(reason.clone()), ..HoldBody::default() };
            orders::of_held(*campaign, &client.hold(*campaign, &body).await?)
        }
        Order::Enable(campaign) => generator(client, *campaign, &CampaignPatch::enable(false)).await?,
        Order::Disable(campaign) => generator(client, *campaign, &CampaignPatch::disable(false, false)).await?,
        Order::ReleaseAll => orders::of_released_all(&client.release_all().await?, client.state().await.ok().as_ref()),
        Order::Release(campaign) => orders::of_released(*campaign, &client.release(*campaign).await?),
        Order::PauseAll(reason) => {
            let held = client.hold_all(&orders::pause_of_all(reason)).await?;
            orders::of_held_all(&held, orders::Keeper::Supervisor)
        }
    })
}

async fn generator(client: &Client, id: CampaignId, patch: &CampaignPatch) -> Result<OrderReport, ClientError> {
    let campaign = client.patch_campaign(id, patch).await?;
    Ok(OrderReport::new(of_generator(client, &campaign, patch).await, Vec::new()))
}
