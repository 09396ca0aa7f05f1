//! `account`: reads the campaigns of the account from TrafficStars for an operator.

use std::collections::BTreeMap;

use actix::prelude::*;

use super::Supervisor;
use crate::actors::answers::send_reply;
use crate::actors::campaign::RemotePort;
use crate::actors::trafficstar::{ReadAccount, ReadStatus};
use crate::control::{AccountCampaign, Ask, Refusal};
use crate::domain::failure::RemoteFault;
use crate::domain::ids::RemoteId;
use crate::domain::read_priority::ReadQuestion;
use crate::trafficstar::client::Account;

impl Supervisor {
    /// Reads the campaign with this id at TrafficStars, or all campaigns of the account.
    pub(super) fn read_account(
        &self,
        ctx: &mut Context<Self>,
        Ask { question, reply }: Ask<Option<RemoteId>, Vec<AccountCampaign>>,
    ) {
        let (remote, clock) = (self.remote.clone(), self.clock.clone());
        let rows = self.last_rows.values().map(|row| (row.trafficstar_id, (row.id, row.generator_enabled)));
        let rows: BTreeMap<RemoteId, _> = rows.collect();
        let answer = async move {
            let account = match question {
                Some(wanted) => read_one(&remote, wanted).await,
                None => read_all(&remote).await,
            };
            let now = clock.now();
            let shown = |(id, read): (&RemoteId, &_)| AccountCampaign::of(*id, read, rows.get(id).copied(), now);
            send_reply(reply, account.map(|account| account.iter().map(shown).collect()));
        };
        ctx.spawn(answer.into_actor(self));
    }
}

async fn read_all(remote: &RemotePort) -> Result<Account, Refusal> {
    match remote.read_account.send(ReadAccount).await {
        Ok(account) => account.map_err(Refusal::Failed),
        Err(_) => Err(Refusal::SupervisorDied),
    }
}

async fn read_one(remote: &RemotePort, wanted: RemoteId) -> Result<Account, Refusal> {
    match remote.read_status.send(ReadStatus(ReadQuestion::of_operator(wanted))).await {
        Ok(Err(RemoteFault::NotFound | RemoteFault::Gone)) => Err(Refusal::NotInAccount(wanted)),
        Ok(Err(fault @ (RemoteFault::Failed(_) | RemoteFault::Shared(_) | RemoteFault::Late))) => {
            Err(Refusal::Failed(fault.to_string()))
        }
        Ok(read) => Ok(Account::from([(wanted, read)])),
        Err(_) => Err(Refusal::SupervisorDied),
    }
}
