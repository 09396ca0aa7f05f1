//! What a session shows of itself while it waits. Its rules are proven by the machine's tests and by the storms.

use super::*;
use crate::domain::money::{Clicks, RemainingClicks};
use crate::domain::policy::PolicyNumbers;
use crate::domain::remote::EndTime;
use crate::domain::spend::SpendHistory;

fn noon() -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::hours(12)
}

fn stopped() -> RemoteCampaign {
    RemoteCampaign {
        id: RemoteId(995_224),
        name: None,
        active: Some(false),
        status: Some("paused".to_owned()),
        approved: Some("approved".to_owned()),
        stopped: None,
        no_funds: false,
        archived: false,
        end_time: EndTime::Unset,
        schedule_timezone: Some(0),
        account_timezone: Some(0),
        spent_today: SourceAnswer::Value(crate::domain::money::Money::ZERO),
        spent: SourceAnswer::NoValue,
        odd_fields: Vec::new(),
        our_clock: None,
    }
}

#[test]
fn an_action_whose_journal_entry_is_not_stored_waits_for_the_database() {
    let policy = PolicyNumbers::default().validate().unwrap();
    let machine = Machine::new(noon(), &policy, None, None);
    let remote = RemoteId(995_224);
    let mut session =
        Session::new(Beginning { remote, policy: policy.clone(), machine, entry: None, shows_steps: false });
    session.step(noon(), Event::Wake);
    let operation = session
        .take_outputs()
        .into_iter()
        .find_map(|output| if let Output::ReadDatabase(operation) = output { Some(operation) } else { None });
    let operation = operation.unwrap();
    let clicks = RemainingClicks { count: Clicks(20_000), defect: None, at: noon() };
    let facts = StoredFacts { is_guarded: true, policy, clicks, history: Ok(SpendHistory::default()) };
    session.database_said(noon(), operation, Ok(facts));
    session.status_came(noon(), operation, Ok(stopped()), None);
    let saves = |session: &mut Session| session.take_outputs().iter().any(|output| matches!(output, Output::Save(..)));
    assert!(saves(&mut session));
    assert_eq!(session.insight(noon()).progress, ActionProgress::Unstored);
    session.saved(noon(), Ok(Some(JournalId(1))));
    assert_eq!(session.insight(noon()).progress, ActionProgress::InFlight);
    assert!(session.take_outputs().iter().any(|output| matches!(output, Output::Send(..))));
}
