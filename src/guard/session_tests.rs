//! Tests of what a session shows while it waits. The tests of the machine and the simulation cover its rules.

use serde_json::json;

use super::*;
use crate::domain::money::{Clicks, RemainingClicks};
use crate::domain::policy::PolicyNumbers;
use crate::domain::spend::SpendHistory;
use crate::trafficstar::wire;

fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::hours(12)
}

fn stopped() -> RemoteCampaign {
    let object = json!({"id": 995_224, "active": false, "status": "paused", "approved": "approved", "spent_today": 0});
    wire::campaign(&object).unwrap()
}

#[test]
fn an_action_whose_journal_entry_is_not_stored_waits_for_the_database() {
    let policy = PolicyNumbers::default().validate().unwrap();
    let machine = Machine::new(noon(), &policy, None, None);
    let remote = RemoteId(995_224);
    let occasions = CampaignOccasions::default();
    let beginning = Beginning { remote, policy: policy.clone(), machine, occasions, entry: None, shows_steps: false };
    let mut session = Session::new(beginning);
    session.step(noon(), Event::Wake);
    let question_id = session
        .take_outputs()
        .into_iter()
        .find_map(|output| if let Output::ReadDatabase(question_id, _) = output { Some(question_id) } else { None });
    let question_id = question_id.unwrap();
    let clicks = RemainingClicks { count: Clicks(20_000), active_urls: 1, defect: None, urls: None, at: noon() };
    let facts = StoredFacts { is_guarded: true, policy, clicks, history: Ok(SpendHistory::default()), shared: None };
    session.database_said(noon(), question_id, Ok(facts));
    session.status_came(noon(), question_id, Ok(stopped()), None);
    let saves = |session: &mut Session| session.take_outputs().iter().any(|output| matches!(output, Output::Save(..)));
    assert!(saves(&mut session));
    assert_eq!(session.snapshot(noon()).progress, ActionProgress::Unstored);
    session.saved(noon(), Ok(Some(JournalId(1))));
    assert_eq!(session.snapshot(noon()).progress, ActionProgress::InFlight);
    assert!(session.take_outputs().iter().any(|output| matches!(output, Output::Send(..))));
}
