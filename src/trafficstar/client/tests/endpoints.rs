//! The operations: what is sent for each, the order of the candidates, and the results of the answers.

use std::cell::Cell;
use std::rc::Rc;

use super::*;

const BY_CAMPAIGN: &str = "/v1.1/advertiser/custom/report/by-campaign";
const BY_DAY: &str = "/v1.1/advertiser/custom/report/by-day";
const OLDEST: &str = "/v1/stats/advertiser/day";

fn usd(text: &str) -> SpendReading {
    SpendReading::Value(text.parse().unwrap())
}

#[test]
fn a_page_of_the_list_is_asked_for_with_a_larger_size_unless_that_is_refused() {
    let mut remote = Remote::answering(|seen| {
        if seen.query.contains("per_page") {
            return status(400);
        }
        Ok(json!({"page": 1, "page_count": 1, "page_size": 10, "count": 2, "response": [campaign(7), campaign(8)]}))
    });
    let read = remote.read(&ids([7, 8]));
    assert!(read.values().all(Result::is_ok), "{read:?}");
    let larger = "GET /v1.1/campaigns?page=1&size=100&per_page=100&page_size=100&limit=100";
    assert_eq!(remote.lines(), [larger, "GET /v1.1/campaigns?page=1"]);
}

#[test]
fn another_page_than_the_one_asked_for_is_a_failure() {
    let mut remote = having(&[("GET /v1.1/campaigns?", |_| json!({"page": 3, "response": []}))]);
    let RemoteFault::Shared(reason) = remote.read(&ids([7, 8])).remove(&RemoteId(7)).unwrap().unwrap_err() else {
        panic!("a fault of the list is shared by all campaigns");
    };
    assert!(reason.ends_with("page 1 was asked for, page 3 came"), "{reason}");
}

#[test]
fn an_end_time_is_set_by_a_patch_that_answers_the_campaign() {
    let mut remote = having(&[
        ("PATCH /v1.1/campaigns/7", |seen| {
            let mut answer = campaign(7);
            let asked: Value = serde_json::from_str(&seen.body).unwrap();
            answer["schedule_end_time"] = asked["schedule_end_time"].clone();
            answer
        }),
        ("PATCH /v1.1/campaigns/9", |_| campaign(9)),
    ]);
    let set = ChangeKind::SetEndTime { end_time: "2025-05-08T23:59:00Z".parse().unwrap() };
    assert_eq!(remote.change(RemoteId(7), set), Outcome::Accepted);
    assert_eq!(remote.seen.last().unwrap().body, r#"{"schedule_end_time":"2025-05-08 23:59:00"}"#);
    assert!(matches!(remote.change(RemoteId(8), set), Outcome::Failed(_)), "404");
    assert_eq!(
        remote.change(RemoteId(9), set),
        Outcome::Failed("TrafficStars shows another end time: Unset".to_owned())
    );
}

#[test]
fn one_report_gives_the_spend_of_all_and_a_missing_row_is_no_value() {
    let mut remote = having(&[(
        "GET /v1.1/advertiser/custom/report/by-campaign",
        |_| json!([{"campaign_id": 1, "amount": "66.270003"}, {"campaign_id": 2, "amount": -1}, {"campaign_id": 9, "amount": 1}]),
    )]);
    let spends = remote.spends_of(&ids(1..=3));
    assert_eq!(spends[&RemoteId(1)], usd("66.27"), "rounded to cents, like the campaign's own field");
    assert!(matches!(spends[&RemoteId(2)], SpendReading::Failed(_)));
    assert_eq!(spends[&RemoteId(3)], SpendReading::NoValue);
    assert_eq!(spends.len(), 3);
    let expected = format!("GET {BY_CAMPAIGN}?date_from=2025-05-08&date_to=2025-05-08&offset=0&limit=500");
    assert_eq!(remote.lines(), [expected]);
}

/// Returns a page of a report of campaigns 1 to `campaigns`. Each spend equals its campaign's id. A page has at most
/// `cap` rows.
fn report(seen: &Seen, campaigns: i64, cap: i64) -> Value {
    let parameter = |name: &str| {
        let value = seen.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        value.unwrap().parse::<i64>().unwrap()
    };
    let (offset, limit) = (parameter("offset"), parameter("limit").min(cap));
    let page = (1..=campaigns).skip(usize::try_from(offset).unwrap()).take(usize::try_from(limit).unwrap());
    page.map(|id| json!({"campaign_id": id, "amount": id})).collect()
}

#[test]
fn a_report_is_read_to_its_last_page_for_any_page_size() {
    for (campaigns, cap, expected_requests) in
        [(9, 1000, 1), (26, 1000, 2), (26, 10, 3), (30, 10, 4), (500, 1000, 2), (1003, 1000, 3)]
    {
        let mut remote = Remote::answering(move |seen| Ok(report(seen, campaigns, cap)));
        let spends = remote.spends_of(&ids(1..=campaigns));
        let complete = spends.iter().all(|(id, answer)| *answer == usd(&id.to_string()));
        assert!(complete, "{campaigns} campaigns in pages of {cap}: {spends:?}");
        assert_eq!(remote.lines().len(), expected_requests, "{campaigns} campaigns in pages of {cap}");
    }
}

#[test]
fn a_report_cut_short_by_its_paging_is_a_failure_and_never_a_spend_of_0() {
    let always_the_first_page = |seen: &Seen| {
        let mut first = seen.clone();
        first.query = "offset=0&limit=500".to_owned();
        Ok(report(&first, 700, 1000))
    };
    let second_page_fails =
        |seen: &Seen| if seen.query.contains("offset=0") { Ok(report(seen, 700, 1000)) } else { status(500) };
    let answers: [fn(&Seen) -> Said; 2] = [always_the_first_page, second_page_fails];
    for answer in answers {
        let mut remote = Remote::answering(answer);
        for (id, answer) in remote.spends_of(&ids([1, 700])) {
            assert!(matches!(answer, SpendReading::Failed(_)), "{id}: {answer:?}");
        }
    }
}

#[test]
fn a_short_report_that_ignores_the_offset_is_complete() {
    let mut remote = Remote::answering(|_| Ok((1..=20).map(|id| json!({"campaign_id": id, "amount": id})).collect()));
    let spends = remote.spends_of(&ids(1..=21));
    assert_eq!((&spends[&RemoteId(20)], &spends[&RemoteId(21)]), (&usd("20"), &SpendReading::NoValue));
}

#[test]
fn a_missing_report_is_no_source_and_a_failing_one_is_a_failure() {
    for (code, no_source, expected_requests) in
        [(404, true, 4), (405, true, 4), (400, false, 1), (403, false, 1), (429, false, 1), (500, false, 1)]
    {
        let mut remote = Remote::answering(move |_| status(code));
        let spends = remote.spends_of(&ids([1]));
        assert_eq!(spends.len(), 1);
        for answer in spends.values() {
            assert_eq!(*answer == SpendReading::NoSource, no_source, "{code}: {answer:?}");
            assert_eq!(matches!(answer, SpendReading::Failed(_)), !no_source, "{code}: {answer:?}");
        }
        assert_eq!(remote.lines().len(), expected_requests, "{code}");
    }
}

#[test]
fn a_missing_report_is_not_asked_for_again_at_once() {
    let mut remote = having(&[]);
    for _ in 0..3 {
        let spends = remote.spends_of(&ids([1]));
        assert_eq!(spends, ids([1]).into_iter().map(|id| (id, SpendReading::NoSource)).collect());
    }
    assert_eq!(remote.lines().len(), 4, "{:?}", remote.lines());
}

#[test]
fn a_404_of_a_report_that_has_worked_is_a_failure_for_that_campaign_only() {
    let mut remote = Remote::answering(|seen| {
        let row = json!([{"day": "2025-05-08", "amount": 3}]);
        if seen.path == BY_DAY && !seen.query.contains("campaign_id=2") { Ok(row) } else { status(404) }
    });
    let spends = remote.spends_of(&ids(1..=3));
    assert_eq!((&spends[&RemoteId(1)], &spends[&RemoteId(3)]), (&usd("3"), &usd("3")));
    assert!(matches!(spends[&RemoteId(2)], SpendReading::Failed(_)), "{spends:?}");

    let gone = Rc::new(Cell::new(false));
    let is_gone = Rc::clone(&gone);
    let mut remote = Remote::answering(move |_| if is_gone.get() { status(404) } else { Ok(json!([])) });
    let spends = remote.spends_of(&ids([1]));
    assert_eq!(spends[&RemoteId(1)], SpendReading::NoValue);
    gone.set(true);
    let spends = remote.spends_of(&ids([1]));
    assert!(matches!(spends[&RemoteId(1)], SpendReading::Failed(_)), "it is not taken for a spend of 0: {spends:?}");
}

#[test]
fn the_working_paths_are_shown_and_a_change_of_path_is_reported() {
    let old = Rc::new(Cell::new(false));
    let is_old = Rc::clone(&old);
    let mut remote = Remote::answering(move |seen| {
        let version = if is_old.get() { "/v1.1/" } else { "/v2/" };
        match (seen.method.as_str(), seen.path.starts_with(version)) {
            ("PUT", true) => Ok(all_succeed(seen)),
            ("GET", _) if seen.query.contains("limit=100") => status(400),
            ("GET", _) if seen.path == "/v1.1/campaigns" => Ok(json!({"page": 1, "response": []})),
            _ => status(404),
        }
    });
    remote.pause(&ids([1]));
    remote.read(&ids([7, 8]));
    remote.spends_of(&ids([1]));
    let line = |operation: &str, path: Option<&str>| (operation.to_owned(), path.map(str::to_owned));
    let reports = [line("spend-by-campaign", None), line("spend-by-day", None)];
    let list = line("list", Some("GET /v1.1/campaigns"));
    let pause = |version| line("pause", Some(&format!("PUT /{version}/campaigns/pause")));
    assert_eq!(remote.endpoints(), [vec![list.clone(), pause("v2")], reports.to_vec()].concat());
    assert_eq!(remote.endpoint_events(), []);

    old.set(true);
    remote.pause(&ids([1]));
    assert_eq!(remote.endpoints(), [vec![list, pause("v1.1")], reports.to_vec()].concat());
    let events = remote.endpoint_events();
    assert_eq!((events.len(), events[0].warning), (1, true), "{events:?}");
    assert!(events[0].text.contains("`PUT /v1.1/campaigns/pause` works now"), "{events:?}");
    remote.pause(&ids([1]));
    assert_eq!(remote.endpoint_events(), [], "a change is reported once");
}

#[test]
fn without_a_report_by_campaigns_each_campaigns_report_by_days_is_read() {
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
        let mut remote = Remote::answering(move |seen| if seen.path == path { Ok(answer(seen)) } else { status(404) });
        let spends = remote.spends_of(&ids([1, 2]));
        assert_eq!(spends, BTreeMap::from([(RemoteId(1), usd(expected)), (RemoteId(2), usd(expected))]), "{path}");
        assert!(remote.lines().contains(&format!("GET {path}?{query}")), "{:?}", remote.lines());
    }
}

#[test]
fn the_oldest_report_is_read_to_its_last_page_and_one_whose_pages_do_not_work_is_a_failure() {
    let page = |page: u64, day: &str| {
        let row = json!({"price": page, "date": format!("{day}T00:00:00Z")});
        Ok(json!({"count": 2, "page": page, "page_count": 2, "response": [row]}))
    };
    let works = move |seen: &Seen| match seen.line() {
        line if line.ends_with("date_until=2025-05-09&page=2") => page(2, "2025-05-08"),
        line if line.ends_with("date_until=2025-05-09") => page(1, "2025-05-07"),
        line => panic!("{line}"),
    };
    let always_the_first = move |_: &Seen| page(1, "2025-05-07");
    for expected in [Some("2"), None] {
        let mut remote = Remote::answering(move |seen| match expected {
            _ if seen.path != OLDEST => status(404),
            Some(_) => works(seen),
            None => always_the_first(seen),
        });
        let spend = remote.spends_of(&ids([1])).remove(&RemoteId(1)).unwrap();
        match expected {
            Some(expected) => assert_eq!(spend, usd(expected)),
            None => assert!(
                matches!(&spend, SpendReading::Failed(failure) if failure.to_string().contains("paging does not work"))
            ),
        }
    }
}
