//! Operators' changes of `campaigns` and `urls`.

use super::*;
use crate::domain::ids::UrlId;

fn named(name: &str, trafficstar_id: i64) -> CampaignColumns {
    CampaignColumns { name: Some(name.to_owned()), trafficstar_id: Some(trafficstar_id), ..CampaignColumns::default() }
}

#[track_caller]
fn done(change: CampaignChange) -> CampaignRow {
    match change {
        CampaignChange::Done(row) => *row,
        CampaignChange::Missing | CampaignChange::Taken => panic!("{change:?}"),
    }
}

fn new_url(name: &str) -> UrlColumns {
    UrlColumns {
        name: Some(name.to_owned()),
        target_url: Some("https://example.com/".to_owned()),
        click_limit: Some(100),
        ..UrlColumns::default()
    }
}

#[test]
fn an_added_campaign_has_what_it_was_given_and_defaults_for_the_rest() {
    on_every_store(async |_database, store| {
        let row = done(store.add_campaign(named("one", 995_224), None, noon()).await.unwrap());
        assert_eq!((row.id, row.name.as_str(), row.trafficstar_id), (CAMPAIGN, "one", REMOTE));
        assert!(!row.generator_enabled);
        assert_eq!(row.policy(&PolicyNumbers::default()).unwrap(), PolicyNumbers::default().validate().unwrap());
        let full = CampaignColumns {
            generator_enabled: Some(true),
            mode: Some(Some("observe".to_owned())),
            spend_limit_micros: Some(Some(5)),
            activate_clicks: Some(Some(2)),
            pause_clicks: Some(Some(1)),
            cooldown_seconds: Some(Some(9)),
            high_spend: Some(Some("observe".to_owned())),
            price_per_thousand_micros: Some(Some(7)),
            ..named("two", 2)
        };
        let row = done(store.add_campaign(full, None, noon()).await.unwrap());
        assert_eq!(store.campaigns().await.unwrap().last(), Some(&row));
        assert_eq!((row.generator_enabled, row.mode.as_deref()), (true, Some("observe")));
        let numbers = (row.spend_limit_micros, row.activate_clicks, row.pause_clicks, row.cooldown_seconds);
        assert_eq!(numbers, (Some(5), Some(2), Some(1), Some(9)));
        assert_eq!((row.high_spend.as_deref(), row.price_per_thousand_micros), (Some("observe"), Some(7)));
    });
}

#[test]
fn a_campaign_is_added_with_its_first_url_or_not_at_all() {
    on_every_store(async |_database, store| {
        let row = done(store.add_campaign(named("one", 995_224), Some(new_url("page")), noon()).await.unwrap());
        let urls = store.urls(row.id).await.unwrap().unwrap();
        assert_eq!(urls.iter().map(|url| (url.name.as_str(), url.clicks)).collect::<Vec<_>>(), [("page", 0)]);
        let nameless = UrlColumns { name: None, ..new_url("") };
        assert!(store.add_campaign(named("two", 2), Some(nameless), noon()).await.is_err());
        assert_eq!(store.campaigns().await.unwrap(), [row], "the campaign is not stored without its URL");
    });
}

#[test]
fn a_change_writes_or_clears_the_columns_that_it_names_and_leaves_the_others() {
    with_one_campaign(async |database, store| {
        database.execute("UPDATE campaigns SET mode = 'act', pause_clicks = 7, cooldown_seconds = 3");
        let later = noon() + Duration::minutes(1);
        let change = CampaignColumns {
            mode: Some(None),
            pause_clicks: Some(Some(8)),
            generator_enabled: Some(false),
            ..CampaignColumns::default()
        };
        let row = done(store.change_campaign(CAMPAIGN, change, later).await.unwrap());
        assert_eq!((row.name.as_str(), row.trafficstar_id, row.generator_enabled), ("one", REMOTE, false));
        assert_eq!((row.mode.as_deref(), row.pause_clicks, row.cooldown_seconds), (None, Some(8), Some(3)));
        assert_eq!(store.campaigns().await.unwrap(), [row]);
        let stamp = database.read("SELECT updated_at FROM campaigns");
        assert!(stamp.contains("12:01:00"), "{stamp}");
    });
}

#[test]
fn a_trafficstar_id_belongs_to_one_campaign() {
    with_one_campaign(async |_database, store| {
        assert_eq!(store.add_campaign(named("two", 995_224), None, noon()).await.unwrap(), CampaignChange::Taken);
        let two = done(store.add_campaign(named("two", 2), None, noon()).await.unwrap());
        let link = CampaignColumns { trafficstar_id: Some(995_224), ..CampaignColumns::default() };
        assert_eq!(store.change_campaign(two.id, link, noon()).await.unwrap(), CampaignChange::Taken);
        assert_eq!(store.campaigns().await.unwrap()[1], two);
    });
}

#[test]
fn a_change_of_a_missing_campaign_or_url_reports_that_it_is_missing() {
    on_every_store(async |_database, store| {
        let (campaign, url) = (CampaignId(404), UrlId(404));
        assert_eq!(store.change_campaign(campaign, named("x", 1), noon()).await.unwrap(), CampaignChange::Missing);
        assert_eq!(store.remove_campaign(campaign).await.unwrap(), CampaignChange::Missing);
        assert_eq!(store.urls(campaign).await.unwrap(), None);
        assert_eq!(store.add_url(campaign, new_url("x"), noon()).await.unwrap(), None);
        assert_eq!(store.url(url).await.unwrap(), None);
        assert_eq!(store.change_url(url, new_url("x"), noon()).await.unwrap(), None);
        assert_eq!(store.remove_url(url).await.unwrap(), None);
    });
}

#[test]
fn urls_are_added_changed_and_removed_and_the_next_reading_has_the_change() {
    with_one_campaign(async |database, store| {
        assert_eq!(store.urls(CAMPAIGN).await.unwrap(), Some(Vec::new()));
        let first = store.add_url(CAMPAIGN, new_url("first"), noon()).await.unwrap().unwrap();
        assert_eq!((first.campaign_id, first.clicks, first.status.as_str()), (CAMPAIGN, 0, "active"));
        let second = store.add_url(CAMPAIGN, new_url("second"), noon()).await.unwrap().unwrap();
        assert_eq!(reading(&store).await.clicks.count, Clicks(200));
        let limit = UrlColumns { click_limit: Some(50), ..UrlColumns::default() };
        database.execute("UPDATE urls SET clicks = clicks + 10");
        let changed = store.change_url(first.id, limit, noon()).await.unwrap().unwrap();
        assert_eq!(changed, UrlRow { click_limit: 50, clicks: 10, ..first.clone() });
        let paused = UrlColumns { status: Some("paused".to_owned()), ..UrlColumns::default() };
        store.change_url(second.id, paused, noon()).await.unwrap().unwrap();
        assert_eq!(reading(&store).await.clicks.count, Clicks(40));
        assert_eq!(store.remove_url(first.id).await.unwrap(), Some(changed));
        assert_eq!(store.url(second.id).await.unwrap().map(|url| url.status), Some("paused".to_owned()));
        assert_eq!(store.urls(CAMPAIGN).await.unwrap().map(|urls| urls.len()), Some(1));
    });
}
