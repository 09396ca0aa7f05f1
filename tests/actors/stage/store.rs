//! A database in memory, behind the messages of the database actor. It keeps neither unfinished actions nor spends: in
//! these tests no actor dies with an action under way, and no spend is in doubt.

use std::rc::Rc;

use actix::prelude::*;
use traffic_generator::actors::answers::Answer;
use traffic_generator::actors::campaign::DatabasePort;
use traffic_generator::actors::database::{
    CarryOutUrls, ReadJournal, ReadRows, ReadStored, ReadTick, Rows, Save, SaveSpend, SetGeneratorEnabled, StoreHold,
    StoreHoldOnAll, WriteCampaign,
};
use traffic_generator::actors::supervisor::RowsPort;
use traffic_generator::domain::failure::DatabaseFailure;
use traffic_generator::domain::journal::{JournalEntry, JournalId};
use traffic_generator::domain::money::{Clicks, RemainingClicks};
use traffic_generator::domain::order::HoldChange;
use traffic_generator::domain::spend::SpendHistory;
use traffic_generator::store::{CampaignChange, StoredCampaign, StoredHolds, StoredPromise, TickReading};

use super::outside::Outside;
use super::world::{Call, apply_fault};

pub(crate) fn database_port(store: &Addr<Outside>) -> DatabasePort {
    DatabasePort {
        read_tick: store.clone().recipient(),
        save: store.clone().recipient(),
        save_spend: store.clone().recipient(),
    }
}

pub(crate) fn rows_port(store: &Addr<Outside>) -> RowsPort {
    RowsPort {
        read_rows: store.clone().recipient(),
        read_stored: store.clone().recipient(),
        save: store.clone().recipient(),
        set_generator_enabled: store.clone().recipient(),
        write_campaign: store.clone().recipient(),
        carry_out_urls: store.clone().recipient(),
        read_journal: store.clone().recipient(),
        store_hold: store.clone().recipient(),
        store_hold_on_all: store.clone().recipient(),
    }
}

impl Handler<ReadTick> for Outside {
    type Result = ResponseFuture<Answer<Option<TickReading>>>;

    fn handle(&mut self, ReadTick { campaign: id, .. }: ReadTick, _: &mut Self::Context) -> Self::Result {
        let world = Rc::clone(&self.0);
        Box::pin(async move {
            apply_fault(&world, Call::ReadTick, id).await.map_err(DatabaseFailure::Failed)?;
            let world = world.borrow();
            let now = world.now();
            Ok(world.campaigns.get(&id).map(|campaign| TickReading {
                row: campaign.row.clone(),
                clicks: RemainingClicks {
                    count: Clicks((campaign.remaining_clicks)(now)),
                    active_urls: 1,
                    defect: None,
                    urls: None,
                    at: now,
                },
                spends: Ok(SpendHistory::default()),
                sums: None,
            }))
        })
    }
}

impl Handler<Save> for Outside {
    type Result = ResponseFuture<Answer<Option<JournalId>>>;

    fn handle(&mut self, Save(record): Save, _: &mut Self::Context) -> Self::Result {
        let world = Rc::clone(&self.0);
        Box::pin(async move {
            apply_fault(&world, Call::Save, record.campaign).await.map_err(DatabaseFailure::Failed)?;
            let mut world = world.borrow_mut();
            let stored_at = world.now();
            world.promises.insert(record.campaign, StoredPromise { promise: record.promise, stored_at });
            match record.hold {
                HoldChange::Keep => {}
                HoldChange::Set(hold) => drop(world.holds.insert(record.campaign, hold)),
                HoldChange::Release => drop(world.holds.remove(&record.campaign)),
            }
            Ok(record.entry.map(|entry| world.store_entry(record.campaign, entry)))
        })
    }
}

impl Handler<SaveSpend> for Outside {
    type Result = ();

    fn handle(&mut self, _: SaveSpend, _: &mut Self::Context) {}
}

impl Handler<ReadRows> for Outside {
    type Result = Answer<Rows>;

    fn handle(&mut self, ReadRows: ReadRows, _: &mut Self::Context) -> Self::Result {
        let world = self.0.borrow();
        Ok(Rows {
            campaigns: world.campaigns.values().map(|campaign| campaign.row.clone()).collect(),
            promises: world.promises.iter().map(|(id, promise)| (*id, Ok(*promise))).collect(),
            holds: StoredHolds { all: world.hold_on_all.clone(), by_campaign: world.holds.clone() },
        })
    }
}

impl Handler<ReadStored> for Outside {
    type Result = ResponseFuture<Answer<Option<StoredCampaign>>>;

    fn handle(&mut self, ReadStored(id): ReadStored, _: &mut Self::Context) -> Self::Result {
        let world = Rc::clone(&self.0);
        Box::pin(async move {
            apply_fault(&world, Call::ReadStored, id).await.map_err(DatabaseFailure::Failed)?;
            let world = world.borrow();
            Ok(Some(StoredCampaign {
                promise: world.promises.get(&id).copied(),
                hold: world.holds.get(&id).cloned(),
                ..StoredCampaign::default()
            }))
        })
    }
}

impl Handler<SetGeneratorEnabled> for Outside {
    type Result = Answer<bool>;

    fn handle(&mut self, set: SetGeneratorEnabled, _: &mut Self::Context) -> Self::Result {
        let mut world = self.0.borrow_mut();
        let campaign = world.campaigns.get_mut(&set.campaign);
        Ok(campaign.map(|campaign| campaign.row.generator_enabled = set.enabled).is_some())
    }
}

impl Handler<StoreHold> for Outside {
    type Result = Answer<bool>;

    fn handle(&mut self, StoreHold { campaign, hold }: StoreHold, _: &mut Self::Context) -> Self::Result {
        let mut world = self.0.borrow_mut();
        match hold {
            Some(hold) => drop(world.holds.insert(campaign, hold)),
            None => drop(world.holds.remove(&campaign)),
        }
        Ok(world.campaigns.contains_key(&campaign))
    }
}

impl Handler<StoreHoldOnAll> for Outside {
    type Result = Answer<()>;

    fn handle(&mut self, StoreHoldOnAll(hold): StoreHoldOnAll, _: &mut Self::Context) -> Self::Result {
        self.0.borrow_mut().hold_on_all = hold;
        Ok(())
    }
}

impl Handler<WriteCampaign> for Outside {
    type Result = Answer<CampaignChange>;

    fn handle(&mut self, _: WriteCampaign, _: &mut Self::Context) -> Self::Result {
        Err(DatabaseFailure::Failed("these tests never change a campaign's row".to_owned()))
    }
}

impl Handler<CarryOutUrls> for Outside {
    type Result = ();

    fn handle(&mut self, _: CarryOutUrls, _: &mut Self::Context) {}
}

impl Handler<ReadJournal> for Outside {
    type Result = Answer<Vec<JournalEntry>>;

    fn handle(&mut self, _: ReadJournal, _: &mut Self::Context) -> Self::Result {
        Err(DatabaseFailure::Failed("tests read the world's journal".to_owned()))
    }
}
