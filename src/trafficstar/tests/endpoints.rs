//! The operations: what is sent for each, which candidate follows which, and what the answers come to.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use chrono::NaiveDate;

use super::*;
use crate::domain::remote::EndTime;
use crate::domain::spend::SourceAnswer;
use crate::trafficstar::budget::Rank;
use crate::trafficstar::error::RemoteError;

const BY_CAMPAIGN: &str = "/v1.1/advertiser/custom/report/by-campaign";
const BY_DAY: &str = "/v1.1/advertiser/custom/report/by-day";
const OLDEST: &str = "/v1/stats/advertiser/day";

fn day() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 5, 8).unwrap()
}

/// The spend of each, as the client actor asks for it.
async fn spends_of(remote: &Remote, ids: BTreeSet<RemoteId>) -> BTreeMap<RemoteId, SourceAnswer> {
    let report = remote.client.spend_report(day(), Urgency::Sweep).await;
    let mut answers = BTreeMap::new();
    for id in ids {
        let answer = match &report {
            Ok(spends) => spends.get(&id).cloned().unwrap_or(SourceAnswer::NoValue),
            Err(RemoteError::NoEndpoint { .. }) => remote.client.day_spend(day(), id, Urgency::Sweep).await,
            Err(error) => SourceAnswer::Failed(error.in_full()),
        };
        answers.insert(id, answer);
    }
    answers
}

fn usd(text: &str) -> SourceAnswer {
    SourceAnswer::Value(text.parse().unwrap())
}

#[tokio::test]
async fn a_page_of_the_list_is_asked_for_with_a_larger_size_where_that_is_not_refused() {
    let remote = Remote::answering(|seen| {
        if seen.query.contains("per_page") {
            return status(400);
        }
        json_answer(&json!({"page": 2, "page_count": 3, "page_size": 10, "count": 26, "response": [campaign(7)]}))
    })
    .await;
    let page = remote.client.campaigns_page(2, Urgency::Sweep).await.unwrap();
    assert_eq!((page.page_size, page.campaign_count), (Some(10), Some(26)));
    assert!(page.campaigns[&RemoteId(7)].is_ok());
    let larger = "GET /v1.1/campaigns?page=2&per_page=100&page_size=100&limit=100";
    assert_eq!(remote.lines(), [larger, "GET /v1.1/campaigns?page=2"]);
}

#[tokio::test]
async fn another_page_than_the_one_asked_for_is_a_failure() {
    let remote = having(&[("GET /v1.1/campaigns", |_| json!({"page": 1, "response": []}))]).await;
    let error = remote.client.campaigns_page(2, Urgency::Sweep).await.unwrap_err();
    assert!(error.in_full().ends_with("page 2 was asked for, page 1 came"), "{}", error.in_full());
}

#[tokio::test]
async fn an_end_time_is_set_by_a_patch_that_answers_the_campaign() {
    let remote = having(&[("PATCH /v1.1/campaigns/7", |seen| {
        let mut answer = campaign(7);
        let asked: Value = serde_json::from_str(&seen.body).unwrap();
        answer["schedule_end_time"] = asked["schedule_end_time"].clone();
        answer
    })])
    .await;
    let at = "2025-05-08T23:59:00Z".parse().unwrap();
    let campaign = remote.client.set_end_time(RemoteId(7), at, Rank::ANY, None).await.unwrap();
    assert_eq!(campaign.end_time, EndTime::At(at));
    assert_eq!(remote.seen().last().unwrap().body, r#"{"schedule_end_time":"2025-05-08 23:59:00"}"#);
    let error = remote.client.set_end_time(RemoteId(8), at, Rank::ANY, None).await.unwrap_err();
    assert!(matches!(error, RemoteError::NotFound), "{error:?}");
}

#[tokio::test]
async fn one_report_gives_the_spend_of_all_and_no_row_is_no_value() {
    let remote = having(&[("GET /v1.1/advertiser/custom/report/by-campaign", |_| {
        json!([{"campaign_id": 1, "amount": "66.270003"}, {"campaign_id": 2, "amount": -1}, {"campaign_id": 9, "amount": 1}])
    })])
    .await;
    let spends = spends_of(&remote, ids(1..=3)).await;
    assert_eq!(spends[&RemoteId(1)], usd("66.27"), "in cents, as the campaign's own field");
    assert!(matches!(spends[&RemoteId(2)], SourceAnswer::Failed(_)));
    assert_eq!(spends[&RemoteId(3)], SourceAnswer::NoValue);
    assert_eq!(spends.len(), 3);
    let expected = format!("GET {BY_CAMPAIGN}?date_from=2025-05-08&date_to=2025-05-08&offset=0&limit=500");
    assert_eq!(remote.lines(), [expected]);
}

/// A report of campaigns 1 to `campaigns`, each with a spend of its id, in pages of at most `cap`.
fn report(seen: &Seen, campaigns: i64, cap: i64) -> Value {
    let parameter = |name: &str| {
        let value = seen.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap().parse::<i64>().unwrap()
    };
    let (offset, limit) = (parameter("offset"), parameter("limit").min(cap));
    let page = (1..=campaigns).skip(usize::try_from(offset).unwrap()).take(usize::try_from(limit).unwrap());
    page.map(|id| json!({"campaign_id": id, "amount": id})).collect()
}

#[tokio::test]
async fn a_report_is_paged_to_its_end_whatever_page_it_is_cut_to() {
    for (campaigns, cap, expected_requests) in
        [(9, 1000, 1), (26, 1000, 2), (26, 10, 3), (30, 10, 4), (500, 1000, 2), (1003, 1000, 3)]
    {
        let remote = Remote::answering(move |seen| json_answer(&report(seen, campaigns, cap))).await;
        let spends = spends_of(&remote, ids(1..=campaigns)).await;
        let complete = spends.iter().all(|(id, answer)| *answer == usd(&id.to_string()));
        assert!(complete, "{campaigns} campaigns in pages of {cap}: {spends:?}");
        assert_eq!(remote.lines().len(), expected_requests, "{campaigns} campaigns in pages of {cap}");
    }
}

#[tokio::test]
async fn a_report_cut_short_by_its_paging_is_a_failure_and_never_nothing() {
    let always_the_first_page = |seen: &Seen| {
        let mut first = seen.clone();
        first.query = "offset=0&limit=500".to_owned();
        json_answer(&report(&first, 700, 1000))
    };
    let second_page_fails =
        |seen: &Seen| if seen.query.contains("offset=0") { json_answer(&report(seen, 700, 1000)) } else { status(500) };
    let answers: [fn(&Seen) -> Response; 2] = [always_the_first_page, second_page_fails];
    for answer in answers {
        let remote = Remote::answering(answer).await;
        for (id, answer) in spends_of(&remote, ids([1, 700])).await {
            assert!(matches!(answer, SourceAnswer::Failed(_)), "{id}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_short_report_that_ignores_the_offset_is_whole() {
    let remote =
        Remote::answering(|_| json_answer(&(1..=20).map(|id| json!({"campaign_id": id, "amount": id})).collect()))
            .await;
    let spends = spends_of(&remote, ids(1..=21)).await;
    assert_eq!((&spends[&RemoteId(20)], &spends[&RemoteId(21)]), (&usd("20"), &SourceAnswer::NoValue));
}

#[tokio::test]
async fn a_report_that_does_not_exist_is_no_source_and_one_that_fails_is_a_failure() {
    for (code, no_source, expected_requests) in
        [(404, true, 4), (405, true, 4), (400, false, 1), (403, false, 1), (429, false, 1), (500, false, 1)]
    {
        let remote = Remote::answering(move |_| status(code)).await;
        let spends = spends_of(&remote, ids([1, 2])).await;
        assert_eq!(spends.len(), 2);
        for answer in spends.values() {
            assert_eq!(*answer == SourceAnswer::NoSource, no_source, "{code}: {answer:?}");
            assert_eq!(matches!(answer, SourceAnswer::Failed(_)), !no_source, "{code}: {answer:?}");
        }
        assert_eq!(remote.lines().len(), expected_requests, "{code}");
    }
}

#[tokio::test]
async fn a_report_that_does_not_exist_is_not_asked_for_again_and_again() {
    let remote = having(&[]).await;
    for _ in 0..3 {
        let spends = spends_of(&remote, ids([1, 2])).await;
        assert_eq!(spends, ids([1, 2]).into_iter().map(|id| (id, SourceAnswer::NoSource)).collect());
    }
    assert_eq!(remote.lines().len(), 4, "{:?}", remote.lines());
}

#[tokio::test]
async fn a_report_that_worked_and_answers_404_is_a_failure_and_others_keep_theirs() {
    let remote = Remote::answering(|seen| {
        let row = json!([{"day": "2025-05-08", "amount": 3}]);
        if seen.path == BY_DAY && !seen.query.contains("campaign_id=2") { json_answer(&row) } else { status(404) }
    })
    .await;
    let spends = spends_of(&remote, ids(1..=3)).await;
    assert_eq!((&spends[&RemoteId(1)], &spends[&RemoteId(3)]), (&usd("3"), &usd("3")));
    assert!(matches!(spends[&RemoteId(2)], SourceAnswer::Failed(_)), "{spends:?}");

    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let remote =
        Remote::answering(move |_| if is_gone.load(SeqCst) { status(404) } else { json_answer(&json!([])) }).await;
    let spends = spends_of(&remote, ids([1])).await;
    assert_eq!(spends[&RemoteId(1)], SourceAnswer::NoValue);
    gone.store(true, SeqCst);
    let spends = spends_of(&remote, ids([1])).await;
    assert!(matches!(spends[&RemoteId(1)], SourceAnswer::Failed(_)), "not taken for nothing spent: {spends:?}");
}

#[tokio::test]
async fn what_works_is_shown_and_a_change_is_told() {
    let old = Arc::new(AtomicBool::new(false));
    let is_old = Arc::clone(&old);
    let remote = Remote::answering(move |seen| {
        let version = if is_old.load(SeqCst) { "/v1.1/" } else { "/v2/" };
        match (seen.method.as_str(), seen.path.starts_with(version)) {
            ("PUT", true) => json_answer(&all_succeed(seen)),
            ("GET", _) if seen.query.contains("limit=100") => status(400),
            ("GET", _) if seen.path == "/v1.1/campaigns" => json_answer(&json!({"page": 1, "response": []})),
            _ => status(404),
        }
    })
    .await;
    remote.pause(&ids([1])).await;
    remote.client.campaigns_page(1, Urgency::Sweep).await.unwrap();
    spends_of(&remote, ids([1])).await;
    let shown = || -> Vec<_> {
        let endpoints = remote.client.endpoints().into_iter();
        endpoints.map(|endpoint| (endpoint.operation, endpoint.path)).collect()
    };
    let line = |operation: &str, path: Option<&str>| (operation.to_owned(), path.map(str::to_owned));
    let reports = [line("spend-by-campaign", None), line("spend-by-day", None)];
    let list = line("list", Some("GET /v1.1/campaigns"));
    let pause = |version| line("pause", Some(&format!("PUT /{version}/campaigns/pause")));
    assert_eq!(shown(), [vec![list.clone(), pause("v2")], reports.to_vec()].concat());
    assert_eq!(remote.client.take_endpoint_news(), []);

    old.store(true, SeqCst);
    remote.pause(&ids([1])).await;
    assert_eq!(shown(), [vec![list, pause("v1.1")], reports.to_vec()].concat());
    let news = remote.client.take_endpoint_news();
    assert_eq!((news.len(), news[0].warning), (1, true), "{news:?}");
    assert!(news[0].text.contains("`PUT /v1.1/campaigns/pause` works now"), "{news:?}");
    remote.pause(&ids([1])).await;
    assert_eq!(remote.client.take_endpoint_news(), [], "it is told once");
}

#[tokio::test]
async fn without_a_report_by_campaigns_each_campaign_has_its_report_by_days() {
    let table = |_: &Seen| json!({"data": {"columns": ["day", "amount"], "rows": [["2025-05-08", "66.27"]]}});
    let row = |_: &Seen| json!([{"day": "2025-05-08", "amount": 3}, {"day": "2025-05-09", "amount": 4}]);
    let oldest = |_: &Seen| {
        let row = json!({"price": 553.6, "clicks": 9, "date": "2025-05-08T00:00:00Z"});
        json!({"count": 1, "page": 1, "page_count": 1, "response": [row]})
    };
    let cases: [(&str, Answers, &str, &str); 3] = [
        (BY_DAY, row, "3", "campaign_id=1&date_from=2025-05-08&date_to=2025-05-08"),
        (
            "/v1.1/advertiser/campaign/report/by-day",
            table,
            "66.27",
            "campaign_id=1&date_from=2025-05-08&date_to=2025-05-08",
        ),
        (OLDEST, oldest, "553.6", "campaign_id=1&date_from=2025-05-08&date_until=2025-05-09"),
    ];
    for (path, answer, expected, query) in cases {
        let remote =
            Remote::answering(move |seen| if seen.path == path { json_answer(&answer(seen)) } else { status(404) })
                .await;
        let spends = spends_of(&remote, ids([1, 2])).await;
        assert_eq!(spends, BTreeMap::from([(RemoteId(1), usd(expected)), (RemoteId(2), usd(expected))]), "{path}");
        assert!(remote.lines().contains(&format!("GET {path}?{query}")), "{:?}", remote.lines());
    }
}

#[tokio::test]
async fn the_oldest_report_is_read_to_its_last_page_and_one_whose_pages_do_not_work_is_a_failure() {
    let page = |page: u64, day: &str| {
        let row = json!({"price": page, "date": format!("{day}T00:00:00Z")});
        json_answer(&json!({"count": 2, "page": page, "page_count": 2, "response": [row]}))
    };
    let works = move |seen: &Seen| match seen.line() {
        line if line.ends_with("date_until=2025-05-09&page=2") => page(2, "2025-05-08"),
        line if line.ends_with("date_until=2025-05-09") => page(1, "2025-05-07"),
        line => panic!("{line}"),
    };
    let always_the_first = move |_: &Seen| page(1, "2025-05-07");
    for expected in [Some("2"), None] {
        let remote = Remote::answering(move |seen| match expected {
            _ if seen.path != OLDEST => status(404),
            Some(_) => works(seen),
            None => always_the_first(seen),
        })
        .await;
        let spend = spends_of(&remote, ids([1])).await.remove(&RemoteId(1)).unwrap();
        match expected {
            Some(expected) => assert_eq!(spend, usd(expected)),
            None => assert!(matches!(&spend, SourceAnswer::Failed(reason) if reason.contains("paging does not work"))),
        }
    }
}
