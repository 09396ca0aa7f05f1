//! Reports, in every shape that clients have seen.

use chrono::{Days, NaiveDate};
use reqwest::StatusCode;
use sandbox::{Amount, CampaignSpec, Options};
use serde_json::{Value, json};

use crate::caller::{Caller, report, today};

#[tokio::test]
async fn reports_come_in_every_shape() {
    let caller = Caller::new(Options { column_report: true, ..Options::default() }).await;
    for id in 1..=3 {
        caller.sandbox.add_campaign(CampaignSpec::running(id).spent(Amount::cents(id * 100)));
    }
    let (_, rows) = caller.get(&format!("{}&campaign_id=1&campaign_id=3", report("campaign"))).await;
    assert_eq!((rows[0]["amount"].clone(), rows[1]["campaign_id"].clone()), (json!(1.0), json!(3)));
    let (_, page) = caller.get(&format!("{}&offset=1&limit=1", report("campaign"))).await;
    assert_eq!((page.as_array().unwrap().len(), &page[0]["campaign_id"]), (1, &json!(2)));
    caller.sandbox.change_options(|options| options.amounts_as_text = true);
    assert_eq!(caller.get(&report("day")).await.1[0]["amount"], json!("6.00"));
    let today = today();
    let (_, columns) =
        caller.get(&format!("/v1.1/advertiser/campaign/report/by-day?date_from={today}&date_to={today}")).await;
    assert_eq!(columns["data"]["rows"][0], json!([today, "6.00"]));
}

#[tokio::test]
async fn the_oldest_report_is_about_one_campaign_has_pages_and_leaves_out_its_last_day() {
    let options = Options { day_stats: true, day_stats_page_size: 2, ..Options::default() };
    let caller = Caller::new(options).await;
    caller.sandbox.add_campaign(CampaignSpec::running(1));
    caller.sandbox.add_campaign(CampaignSpec::running(2).spent(Amount::cents(99)));
    for (day, cents) in [("2015-01-01", 55_360), ("2015-01-02", 100), ("2015-01-03", 200), ("2015-01-04", 300)] {
        caller.sandbox.set_spend_on(1, day.parse().unwrap(), Some(Amount::cents(cents))).unwrap();
    }
    let stats = async |query: &str| caller.get(&format!("/v1/stats/advertiser/day?{query}")).await;
    let (_, first) = stats("campaign_id=1&date_from=2015-01-01&date_until=2015-01-04").await;
    let row = |price: f64, day: &str| json!({"price": price, "clicks": 9, "date": format!("{day}T00:00:00Z")});
    let rows = json!([row(553.6, "2015-01-01"), row(1.0, "2015-01-02")]);
    assert_eq!(first, json!({"count": 3, "page": 1, "page_count": 2, "response": rows}));
    let (_, second) = stats("campaign_id=1&date_from=2015-01-01&date_until=2015-01-04&page=2").await;
    assert_eq!((&second["page"], &second["response"]), (&json!(2), &json!([row(2.0, "2015-01-03")])));
    let (_, none) = stats("campaign_id=1&date_from=2015-01-01&date_until=2015-01-01").await;
    assert_eq!((&none["count"], &none["response"]), (&json!(0), &json!([])));
    for refused in ["", "campaign_id=1&campaign_id=2&", "campaign_id=shoes&"] {
        let (status, answer) = stats(&format!("{refused}date_from=2015-01-01&date_until=2015-01-04")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{refused}");
        assert!(answer.get("campaign_id").is_some(), "{answer}");
    }
}

#[tokio::test]
async fn a_report_is_exact_but_the_campaigns_field_is_rounded() {
    let caller = Caller::new(Options::default()).await;
    for (exact, shown) in [("22.896472", 22.9), ("37.701788", 37.7), ("9.996", 10.0), ("9.994999", 9.99)] {
        caller.sandbox.add_campaign(CampaignSpec::paused(1).spent(exact.parse().unwrap()));
        assert_eq!(caller.get("/v1.1/campaigns/1").await.1["spent_today"], json!(shown));
        let (_, rows) = caller.get(&report("campaign")).await;
        assert_eq!(rows[0]["amount"], serde_json::from_str::<Value>(exact).unwrap());
    }
}

#[tokio::test]
async fn a_campaign_without_spend_today_has_no_field_of_todays_spend() {
    let caller = Caller::with([CampaignSpec::paused(1)]).await;
    let yesterday = today().parse::<NaiveDate>().unwrap() - Days::new(1);
    caller.sandbox.set_spend_on(1, yesterday, Some(Amount::cents(100))).unwrap();
    assert_eq!(caller.get("/v1.1/campaigns/1").await.1.get("spent_today"), None);
}
