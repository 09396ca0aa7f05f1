//! The standby: it replaces the supervisor while another process leads. It publishes what the leader has stored, and
//! answers orders that only read.
//!
//! Deliberately absent: requests to TrafficStars, since only the leader sends them, and changes of rows.

use std::collections::HashSet;
use std::time::Duration;

use actix::prelude::*;

use super::answers::{of_database, send_reply};
use super::campaign::without_actor;
use super::database::{CarryOutUrls, ReadAlerts, ReadJournal, ReadRows, Rows};
use super::progress::{CheckProgress, Stalled};
use super::supervisor::{CarryOut, SetDefaults, SyncNow, shown};
use crate::board::Board;
use crate::clock::Clock;
use crate::control::{AlertOrder, Alerts, Campaign, CampaignOrder, NEWEST_ALERTS, Order, Refusal, UrlOrder};
use crate::domain::failure::SyncFailure;
use crate::domain::ids::CampaignId;
use crate::domain::policy::Policy;
use crate::domain::status::SupervisorStatus;

/// The interval at which the rows are read, unless a tick is shorter.
const READ_EVERY: Duration = Duration::from_secs(5);

/// The messages to the database that the standby sends.
#[derive(Debug, Clone)]
pub struct ReadingPort {
    /// Reads every row, promise and hold.
    pub read_rows: Recipient<ReadRows>,
    /// Reads the journal.
    pub read_journal: Recipient<ReadJournal>,
    /// Lists the URLs of a campaign.
    pub carry_out_urls: Recipient<CarryOutUrls>,
    /// Reads the alerts.
    pub read_alerts: Recipient<ReadAlerts>,
}

/// The standby actor. The status that it publishes is at most a few seconds old.
#[derive(Debug)]
pub struct Standby {
    clock: Clock,
    board: Board,
    defaults: Policy,
    rows: ReadingPort,
    timer: Option<SpawnHandle>,
}

impl Standby {
    /// Returns a standby that has read nothing yet. It reads at the first [`SyncNow`], and then every few seconds.
    #[must_use]
    pub const fn new(clock: Clock, board: Board, defaults: Policy, rows: ReadingPort) -> Self {
        Self { clock, board, defaults, rows, timer: None }
    }

    /// Publishes each campaign as the leader has stored it.
    fn publish(&self, Rows { campaigns, promises, holds }: Rows) {
        let now = self.clock.now();
        for row in &campaigns {
            let promise = promises.get(&row.id).and_then(|promise| promise.as_ref().ok());
            let hold = [holds.all.as_ref(), holds.by_campaign.get(&row.id)];
            let hold = hold.into_iter().flatten().find(|hold| hold.lasts(now)).cloned();
            self.board.publish_campaign(without_actor(row, &self.defaults, promise, hold, now));
        }
        let known: HashSet<CampaignId> = campaigns.iter().map(|row| row.id).collect();
        self.board.retain_campaigns(|id| known.contains(&id));
        let hold = holds.all.filter(|hold| hold.lasts(now));
        let status = SupervisorStatus { last_sync_at: Some(now), hold, ..SupervisorStatus::default() };
        self.board.publish_supervisor(status);
    }

    fn arm(&mut self, ctx: &mut Context<Self>) {
        let wait = self.defaults.tick.to_std().unwrap_or_default().min(READ_EVERY);
        if let Some(timer) = self.timer.take() {
            ctx.cancel_future(timer);
        }
        self.timer = Some(ctx.run_later(wait, |actor, ctx| {
            actor.timer = None;
            ctx.notify(SyncNow);
        }));
    }

    async fn list(rows: Recipient<ReadRows>) -> Result<Vec<Campaign>, Refusal> {
        let answer = of_database(rows.send(ReadRows).await);
        answer.map(|rows| rows.campaigns.iter().map(shown).collect()).map_err(Refusal::NotRead)
    }
}

impl Actor for Standby {
    type Context = Context<Self>;
}

impl Handler<CheckProgress> for Standby {
    type Result = Result<(), Stalled>;

    fn handle(&mut self, CheckProgress: CheckProgress, _: &mut Self::Context) -> Self::Result {
        // The database actor answers for the reads.
        Ok(())
    }
}

impl Handler<SyncNow> for Standby {
    type Result = ResponseActFuture<Self, Result<(), SyncFailure>>;

    fn handle(&mut self, SyncNow: SyncNow, _: &mut Self::Context) -> Self::Result {
        let read = self.rows.read_rows.send(ReadRows).into_actor(self);
        Box::pin(read.map(|answer, actor, ctx| {
            let answer = of_database(answer);
            actor.arm(ctx);
            answer.map(|rows| actor.publish(rows)).map_err(SyncFailure::Database)
        }))
    }
}

impl Handler<SetDefaults> for Standby {
    type Result = ();

    fn handle(&mut self, SetDefaults(defaults): SetDefaults, ctx: &mut Self::Context) {
        self.defaults = defaults;
        self.arm(ctx);
    }
}

impl Handler<CarryOut> for Standby {
    type Result = ();

    fn handle(&mut self, CarryOut(order): CarryOut, ctx: &mut Self::Context) {
        match order {
            Order::Urls(order @ UrlOrder::List(_)) => self.rows.carry_out_urls.do_send(CarryOutUrls(order)),
            Order::ReadJournal(ask) => {
                let read = self.rows.read_journal.send(ReadJournal(ask.question));
                ctx.spawn(read.into_actor(self).map(|answer, _, _| {
                    let answer = of_database(answer);
                    send_reply(ask.reply, answer.map_err(Refusal::NotRead));
                }));
            }
            Order::Alerts(AlertOrder::List(ask)) => {
                let read = self.rows.read_alerts.send(ReadAlerts { newest: NEWEST_ALERTS });
                let now = self.clock.now();
                ctx.spawn(read.into_actor(self).map(move |answer, _, _| {
                    let stored = of_database(answer).map_err(Refusal::NotRead);
                    send_reply(ask.reply, stored.map(|stored| Alerts::stored(stored, now)));
                }));
            }
            Order::Campaigns(CampaignOrder::List(ask)) => {
                let list = Self::list(self.rows.read_rows.clone());
                ctx.spawn(list.into_actor(self).map(|listed, _, _| send_reply(ask.reply, listed)));
            }
            Order::Campaigns(CampaignOrder::Show(ask)) => {
                let (list, id) = (Self::list(self.rows.read_rows.clone()), ask.question);
                ctx.spawn(list.into_actor(self).map(move |listed, _, _| {
                    let found = listed
                        .and_then(|rows| rows.into_iter().find(|row| row.id == id).ok_or(Refusal::UnknownCampaign(id)));
                    send_reply(ask.reply, found);
                }));
            }
            // The order router refuses these orders itself, and names the leader.
            order @ (Order::SetGenerator(_)
            | Order::ReadAccount(_)
            | Order::Campaigns(CampaignOrder::Add(_) | CampaignOrder::Change(_) | CampaignOrder::Remove(_))
            | Order::Urls(UrlOrder::Add(_) | UrlOrder::Change(_) | UrlOrder::Remove(_))
            | Order::Process(_)
            | Order::ProcessAll(_)
            | Order::Hold(_)
            | Order::Release(_)
            | Order::HoldAll(_)
            | Order::ReleaseAll(_)
            | Order::Alerts(AlertOrder::Ack(_) | AlertOrder::Mute(_) | AlertOrder::Test(_))) => {
                order.refuse(Refusal::NotLeading(None))
            }
        }
    }
}
