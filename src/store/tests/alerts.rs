//! What is kept of alerts.

use super::*;
use crate::domain::alert::{Ack, AlertChanges, AlertStep, Delivery, Mute, OccasionId, ReceiverState};
use crate::domain::occasion::{Finding, OccasionCampaign, OccasionChange, OccasionKey, OccasionKind, Severity};

fn noon() -> DateTime<Utc> {
    at("2026-11-22T12:00:00Z")
}

fn began(kind: OccasionKind, detail: &str, lasts: bool) -> OccasionChange {
    let (key, text) = (OccasionKey::with(kind, detail), "it is \0 the case".to_owned());
    OccasionChange::Began(Finding { key, severity: Severity::Warning, since: noon(), text, lasts })
}

fn ended(kind: OccasionKind) -> OccasionChange {
    OccasionChange::Ended(OccasionKey::of(kind), at("2026-11-22T13:00:00Z"))
}

/// A delivery that is tried again.
fn delivery() -> Delivery {
    Delivery {
        step: AlertStep::Reminder,
        reminders: 2,
        message_id: "blocked-1".to_owned(),
        gathered_at: noon(),
        attempts: 3,
        last_sent_at: Some(noon()),
        next_attempt_at: Some(at("2026-11-22T12:00:05Z")),
        delivered_at: None,
        given_up_at: None,
        error: Some("it answered 503".to_owned()),
    }
}

/// A record of the campaign that stores only changes of occasions.
fn changes(occasions: Vec<OccasionChange>) -> Record {
    Record { occasions, ..record(Phase::Idle, None) }
}

#[test]
fn a_campaigns_occasions_are_stored_with_its_promise_once_until_they_are_over() {
    on_every_database(async |database| {
        let store = database.store().await;
        database.execute(ONE_CAMPAIGN);
        let open = async || {
            let stored = store.stored_campaign(CAMPAIGN).await.unwrap().unwrap();
            stored.occasions.into_iter().filter(|known| known.is_open).map(|known| known.key).collect::<Vec<_>>()
        };
        let blocked = OccasionKey::of(OccasionKind::Blocked);
        for _ in 0..2 {
            store.save(changes(vec![began(OccasionKind::Blocked, "", true)]), noon()).await.unwrap();
            assert_eq!(open().await, std::slice::from_ref(&blocked));
        }
        store.save(changes(vec![ended(OccasionKind::Blocked)]), noon()).await.unwrap();
        assert_eq!(open().await, []);
        store.save(changes(vec![began(OccasionKind::Blocked, "", true)]), noon()).await.unwrap();
        for _ in 0..2 {
            store.save(changes(vec![began(OccasionKind::Warned, "2026-11-22", false)]), noon()).await.unwrap();
        }
        let stored = store.unsettled_alerts().await.unwrap().occasions;
        let keys: Vec<_> = stored.iter().map(|(occasion, _)| (occasion.full_key(), occasion.is_open())).collect();
        let wanted = [("blocked/1", false), ("blocked/1", true), ("warned/1/2026-11-22", false)];
        assert_eq!(keys, wanted.map(|(key, is_open)| (key.to_owned(), is_open)));
        assert_eq!(
            stored[0].0.text, "it is \u{fffd} the case",
            "a zero byte must not keep a promise from being stored"
        );
    });
}

#[test]
fn deliveries_receivers_mutes_and_acks_are_read_as_they_were_stored() {
    on_every_database(async |database| {
        let store = database.store().await;
        let campaign = OccasionCampaign { id: CAMPAIGN, name: "shoes".to_owned(), trafficstar_id: REMOTE };
        let occasions =
            vec![(Some(campaign), began(OccasionKind::Blocked, "", true)), (None, began(OccasionKind::Api, "", true))];
        store.save_alerts(AlertChanges { occasions, ..AlertChanges::default() }, noon()).await.unwrap();
        let receiver =
            ReceiverState { failing_since: Some(noon()), lost: 7, ..ReceiverState::new("ops".to_owned(), noon()) };
        let mute = Mute { campaign: None, since: noon(), until: at("2026-11-22T14:00:00Z"), reason: None, by: None };
        let ack = Ack { at: noon(), by: Some("0 (root)".to_owned()) };
        let changes = AlertChanges {
            deliveries: vec![
                (OccasionId(1), "ops".to_owned(), delivery()),
                (OccasionId(404), "ops".to_owned(), delivery()),
            ],
            receivers: vec![receiver.clone()],
            acked: vec![(OccasionId(1), ack.clone())],
            mutes: vec![mute.clone()],
            ..AlertChanges::default()
        };
        for _ in 0..2 {
            store.save_alerts(changes.clone(), noon()).await.unwrap();
        }
        let stored = store.unsettled_alerts().await.unwrap();
        assert_eq!((stored.receivers, stored.mutes), (vec![receiver], vec![mute.clone()]));
        assert_eq!(stored.occasions[0].1, [("ops".to_owned(), delivery())]);
        assert_eq!(stored.occasions[0].0.acked, Some(ack));
        assert_eq!(stored.occasions[1].0.full_key(), "api");

        let over = Mute { until: noon(), ..mute };
        let settled = AlertChanges { settled: vec![OccasionId(1)], mutes: vec![over], ..AlertChanges::default() };
        store.save_alerts(settled, noon()).await.unwrap();
        let left = store.unsettled_alerts().await.unwrap();
        assert_eq!((left.occasions.len(), left.mutes.len()), (1, 0));
        assert_eq!(store.newest_alerts(50).await.unwrap().occasions.len(), 2);
        assert_eq!(store.forget_before(at("2026-11-23T00:00:00Z")).await.unwrap(), 1, "a settled one is forgotten");
        assert_eq!(store.newest_alerts(50).await.unwrap().occasions.len(), 1);
    });
}

#[test]
fn many_deliveries_are_stored_and_replaced_except_those_of_a_deleted_occasion() {
    const OCCASIONS: i64 = 1_200;
    const DELETED: OccasionId = OccasionId(600);
    on_every_database(async |database| {
        let store = database.store().await;
        let row = |id: i64| format!("({id}, 0, 'warned', '{id}', 'warning', 'it is so', false, '2026-11-22 12:00:00')");
        let rows: Vec<String> = (1..=OCCASIONS).map(row).collect();
        database.execute(&format!(
            "INSERT INTO occasions (id, campaign_id, kind, detail, severity, text, lasts, since) VALUES {}",
            rows.join(", ")
        ));
        database.execute(&format!("DELETE FROM occasions WHERE id = {DELETED}"));
        let delivered =
            Delivery { next_attempt_at: None, delivered_at: Some(noon()), error: None, attempts: 4, ..delivery() };
        for newest in [delivery(), delivered] {
            let told = |id: i64| ["ops", "phone"].map(|name| (OccasionId(id), name.to_owned(), newest.clone()));
            // The first key comes twice: its last delivery counts.
            let older = (OccasionId(1), "ops".to_owned(), Delivery { attempts: 99, ..delivery() });
            let deliveries: Vec<_> = [older].into_iter().chain((1..=OCCASIONS).flat_map(told)).collect();
            store.save_alerts(AlertChanges { deliveries, ..AlertChanges::default() }, noon()).await.unwrap();
            let wanted = ["ops", "phone"].map(|name| (name.to_owned(), newest.clone()));
            let mut count = 0;
            for (occasion, mut told) in store.unsettled_alerts().await.unwrap().occasions {
                told.sort_by(|(one, _), (other, _)| one.cmp(other));
                assert_eq!(told, wanted, "{}", occasion.full_key());
                assert_ne!(occasion.id, Some(DELETED));
                count += 1;
            }
            assert_eq!(count, OCCASIONS - 1);
            let stored = database.read("SELECT COUNT(*) FROM alert_deliveries");
            assert_eq!(stored, (2 * (OCCASIONS - 1)).to_string());
        }
    });
}

#[test]
fn the_last_run_ended_in_order_if_its_last_word_was_that_it_stops() {
    on_every_database(async |database| {
        let store = database.store().await;
        assert_eq!(store.last_run_ended_in_order().await.unwrap(), None);
        for (detail, ended_in_order) in [("started/1", false), ("stopped/2", true), ("started/3", false)] {
            let occasions = vec![(None, began(OccasionKind::Restarted, detail, false))];
            store.save_alerts(AlertChanges { occasions, ..AlertChanges::default() }, noon()).await.unwrap();
            assert_eq!(store.last_run_ended_in_order().await.unwrap(), Some(ended_in_order), "{detail}");
        }
    });
}
