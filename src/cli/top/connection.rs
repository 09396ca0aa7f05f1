//! The view's connection to the supervisor, on a thread of its own, so that drawing and keys never wait for an answer.
//!
//! There is one poll at a time. It begins a second after the last one began, or later, when that was answered: a slow
//! supervisor gets fewer requests, never the same one twice at once. The alerts come from the database, which may hang:
//! a poll waits for them only a moment, and otherwise shows those that it read last.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::Message;
use super::app::{Notice, Order, State};
use crate::cli::order_report::OrderReport;
use crate::cli::{alert, disable, enable, hold, pause_all, process};
use crate::control::client::{Client, ClientError};
use crate::control::{Alerts, CampaignPatch, HoldBody, MuteBody, ProcessBody, TestAlert};
use crate::domain::ids::CampaignId;
use crate::error_chain::in_full;

const POLL_EVERY: Duration = Duration::from_secs(1);
/// How long `m` and `M` mute alerts.
pub(super) const MUTE_FOR: &str = "2h";
/// If the dump takes longer than this, the view shows that there is no answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(10);
/// If the alerts take longer than this, the view shows the last known ones.
const ALERTS_WITHIN: Duration = Duration::from_secs(1);

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
    let mut alerts = LastAlerts::new(Arc::clone(&client));
    let mut clock = interval(POLL_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = clock.tick() => {
                let answer = match timeout(ANSWERS_WITHIN, with_alerts(&client, alerts.read())).await {
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

/// Reads the dump, the health and the alerts. Alerts that do not arrive within a moment are left out.
pub(super) async fn state(client: &Client) -> Result<State, ClientError> {
    let alerts = async {
        let answer = timeout(ALERTS_WITHIN, client.alerts()).await;
        answer.ok().and_then(Result::ok).unwrap_or_default()
    };
    with_alerts(client, alerts).await
}

/// Reads the dump and the health, together with these alerts.
async fn with_alerts(client: &Client, alerts: impl Future<Output = Alerts>) -> Result<State, ClientError> {
    let alerts = async { Ok::<Alerts, ClientError>(alerts.await) };
    let (dump, health, alerts) = tokio::try_join!(client.state(), client.health(), alerts)?;
    Ok(State { dump, health, alerts })
}

/// The alerts as they were last read.
struct LastAlerts {
    client: Arc<Client>,
    /// The request that has no answer so far.
    request: Option<JoinHandle<Result<Alerts, ClientError>>>,
    known: Alerts,
}

impl LastAlerts {
    fn new(client: Arc<Client>) -> Self {
        Self { client, request: None, known: Alerts::default() }
    }

    /// Reads the alerts; returns the last known ones if they do not arrive within a moment. The request goes on then,
    /// and the next call waits for its answer, so that a database that hangs gets no further one.
    async fn read(&mut self) -> Alerts {
        let client = &self.client;
        let request = self.request.get_or_insert_with(|| {
            let client = Arc::clone(client);
            tokio::spawn(async move { client.alerts().await })
        });
        let answer = timeout(ALERTS_WITHIN, request).await;
        if let Ok(answer) = answer {
            self.request = None;
            if let Ok(Ok(alerts)) = answer {
                self.known = alerts;
            }
        }
        self.known.clone()
    }
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::UnixListener;

    use super::*;
    use crate::cli::tests::{dump, health, several};
    use crate::cli::top::tests::alerts;

    /// Answers like a supervisor whose database hangs once it has given the alerts. Counts the requests for alerts.
    async fn serve(listener: UnixListener, requests: Arc<AtomicUsize>) {
        while let Ok((mut stream, _)) = listener.accept().await {
            let requests = Arc::clone(&requests);
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let length = stream.read(&mut request).await.unwrap();
                let request = String::from_utf8_lossy(&request[..length]).into_owned();
                let body = match request.split(' ').nth(1) {
                    Some("/v1/state") => serde_json::to_string(&dump(&several())).unwrap(),
                    Some("/v1/health") => serde_json::to_string(&health(&[])).unwrap(),
                    Some("/v1/alerts") => {
                        if requests.fetch_add(1, Ordering::Relaxed) > 0 {
                            std::future::pending::<()>().await;
                        }
                        serde_json::to_string(&alerts()).unwrap()
                    }
                    Some(_) | None => return,
                };
                let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
                stream.write_all((head + &body).as_bytes()).await.unwrap();
            });
        }
    }

    #[tokio::test]
    async fn alerts_that_do_not_arrive_delay_the_dump_only_a_moment_and_the_last_known_ones_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let requests = Arc::new(AtomicUsize::new(0));
        tokio::spawn(serve(UnixListener::bind(&path).unwrap(), Arc::clone(&requests)));
        let client = Arc::new(Client::new(&path).unwrap());
        let mut last = LastAlerts::new(Arc::clone(&client));
        // On a machine with much to do, the first answer may take longer than a moment.
        timeout(ANSWERS_WITHIN, async { while last.read().await != alerts() {} }).await.unwrap();
        for _ in 0..2 {
            let shown = timeout(ANSWERS_WITHIN, with_alerts(&client, last.read())).await.unwrap().unwrap();
            assert_eq!(shown.alerts, alerts());
        }
        assert!(requests.load(Ordering::Relaxed) <= 2, "a request for alerts was sent while another one had no answer");
        let first = timeout(ANSWERS_WITHIN, state(&client)).await.unwrap().unwrap();
        assert_eq!(first.alerts, Alerts::default());
    }
}
