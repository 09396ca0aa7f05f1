//! Every shape of every answer, and every way in which an answer can be wrong.

use serde_json::json;

use super::*;

fn parse(value: Value) -> RemoteCampaign {
    campaign(&value).unwrap()
}

fn usd(text: &str) -> SpendReading {
    SpendReading::Value(text.parse().unwrap())
}

fn moment(text: &str) -> EndTime {
    EndTime::At(text.parse().unwrap())
}

/// Returns a campaign with some fields replaced.
fn with(changes: &Value) -> Value {
    let mut value = json!({
        "id": 995_224, "name": "Spring", "active": true, "status": "enabled", "approved": "approved",
        "no_funds": false, "is_archived": false, "spent_today": 32.49, "max_daily": 142.42,
        "schedule_end_time": "2025-05-07 23:59:00", "schedule_timezone": 0, "timezone": 0,
        "pricing_model": "cpm", "price": 0.051, "updated_at": "2025-05-07T10:11:39Z",
    });
    for (name, change) in changes.as_object().unwrap() {
        value[name] = change.clone();
    }
    value
}

/// Returns a campaign of which only the id is known.
fn only_id(id: i64) -> RemoteCampaign {
    RemoteCampaign {
        id: RemoteId(id),
        name: None,
        active: None,
        status: None,
        approved: None,
        stopped: None,
        no_funds: false,
        archived: false,
        end_time: EndTime::Unset,
        schedule_timezone: None,
        account_timezone: None,
        spent_today: SpendReading::NoValue,
        spent: SpendReading::NoValue,
        odd_fields: Vec::new(),
        max_daily: None,
        price_per_thousand: None,
        our_clock: None,
    }
}

#[test]
fn a_campaign_is_read_bare_and_wrapped() {
    let expected = RemoteCampaign {
        name: Some("Spring".to_owned()),
        active: Some(true),
        status: Some("enabled".to_owned()),
        approved: Some("approved".to_owned()),
        end_time: moment("2025-05-07T23:59:00Z"),
        schedule_timezone: Some(0),
        account_timezone: Some(0),
        spent_today: usd("32.49"),
        max_daily: Some("142.42".parse().unwrap()),
        price_per_thousand: Some("0.051".parse().unwrap()),
        ..only_id(995_224)
    };
    let bare = with(&json!({}));
    assert_eq!(parse(bare.clone()), expected);
    assert_eq!(parse(json!({ "response": bare })), expected);
}

#[test]
fn a_budget_is_read_above_zero_and_a_price_only_per_thousand() {
    let cases = [
        (json!({"max_daily": "10.15", "pricing_model": "CPM", "price": "0.111"}), Some("10.15"), Some("0.111")),
        (json!({"max_daily": 0, "pricing_model": "cpc"}), None, None),
        (json!({"max_daily": null, "pricing_model": null}), None, None),
        (json!({"max_daily": "much", "price": "cheap"}), None, None),
        (json!({"max_daily": 66.270_003, "price": 0}), Some("66.270003"), Some("0")),
    ];
    for (changes, budget, price) in cases {
        let campaign = parse(with(&changes));
        let usd = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        assert_eq!((campaign.max_daily, campaign.price_per_thousand), (usd(budget), usd(price)), "{changes}");
        assert_eq!(campaign.odd_fields, [], "{changes}: nothing else is in doubt");
    }
    let sent = ["10.15", "19.415", "60", "113.0981", "0.000001"].map(|text| budget_number(text.parse().unwrap()));
    assert_eq!(sent, [json!(10.15), json!(19.415), json!(60.0), json!(113.0981), json!(0.000_001)]);
}

#[test]
fn missing_fields_are_not_made_up() {
    assert_eq!(parse(json!({"id": "7", "active": null, "some_new_field": [1]})), only_id(7));
}

#[test]
fn a_value_that_is_no_campaign_is_unreadable() {
    let cases = [
        (json!({"id": null}), "`id` of the campaign should be an id, but is missing"),
        (json!({"id": 1.5}), "`id` of the campaign should be an id, but is `1.5`"),
    ];
    for (change, expected) in cases {
        assert_eq!(campaign(&with(&change)).unwrap_err().to_string(), expected);
    }
    for value in [json!([]), json!("text"), json!(null), json!({"response": [1]})] {
        let error = campaign(&value).unwrap_err().to_string();
        assert!(error.starts_with("the campaign should be an object"), "{error}");
    }
}

#[test]
fn a_field_of_an_odd_type_is_noted_and_the_other_fields_are_read() {
    let cases = [
        (json!({"active": "yes"}), "`active` of the campaign should be true or false, but is `\"yes\"`"),
        (json!({"active": 2}), "`active` of the campaign should be true or false, but is `2`"),
        (json!({"status": 5}), "`status` of the campaign should be a text, but is `5`"),
        (json!({"approved": 1}), "`approved` of the campaign should be a text, but is `1`"),
        (json!({"stopped": true}), "`stopped` of the campaign should be a text, but is `true`"),
        (json!({"no_funds": "no"}), "`no_funds` of the campaign should be true or false, but is `\"no\"`"),
        (json!({"is_archived": []}), "`is_archived` of the campaign should be true or false, but is `[]`"),
        (
            json!({"schedule_timezone": "UTC"}),
            "`schedule_timezone` of the campaign should be a whole number, but is `\"UTC\"`",
        ),
        (
            json!({"schedule_timezone": 5.5}),
            "`schedule_timezone` of the campaign should be a whole number, but is `5.5`",
        ),
    ];
    let whole = parse(with(&json!({})));
    for (change, expected) in cases {
        let read = parse(with(&change));
        let problems: Vec<&str> = read.odd_fields.iter().map(|field| field.problem.as_str()).collect();
        assert_eq!(problems, [expected]);
        assert!(change.get(read.odd_fields[0].name).is_some(), "{change}");
        assert_eq!((&read.spent_today, &read.end_time), (&whole.spent_today, &whole.end_time), "{change}");
        assert_eq!(read.active == Some(true), change.get("active").is_none(), "{change}");
    }
    let all = json!({"active": true, "status": 1, "approved": 1, "no_funds": [], "schedule_timezone": {}});
    let read = parse(with(&all));
    assert_eq!((read.active, read.odd_fields.len()), (Some(true), 4));
    assert_eq!(parse(with(&json!({"name": 5}))).name, None, "a name decides nothing");
}

#[test]
fn numbers_in_texts_and_0_and_1_for_false_and_true_are_read() {
    let read = |name: &str, value: Value| {
        let read = parse(with(&json!({ name: value.clone() })));
        assert_eq!(read.odd_fields, [], "{name}: {value}");
        read
    };
    for (value, expected) in [("0", 0), ("3", 3), (" -5 ", -5)] {
        assert_eq!(read("schedule_timezone", json!(value)).schedule_timezone, Some(expected));
    }
    assert_eq!(read("schedule_timezone", json!(0.0)).schedule_timezone, Some(0));
    let flags = [(json!([true, 1, "1", "true"]), true), (json!([false, 0, "0", "false"]), false)];
    for (value, expected) in
        flags.iter().flat_map(|(all, is)| all.as_array().unwrap().iter().map(move |one| (one, *is)))
    {
        assert_eq!(read("active", value.clone()).active, Some(expected), "{value}");
        assert_eq!(read("no_funds", value.clone()).no_funds, expected, "{value}");
        assert_eq!(read("is_archived", value.clone()).archived, expected, "{value}");
    }
    assert_eq!(read("timezone", json!("0")).spent_today, usd("32.49"));
    let page = json!({"page": "1", "count": "26", "page_count": "3", "page_size": "10", "response": []});
    let page = campaign_page(&page).unwrap();
    let paging = (page.page, page.page_count, page.page_size, page.campaign_count);
    assert_eq!(paging, (Some(1), Some(3), Some(10), Some(26)));
}

#[test]
fn an_end_time_is_read_in_three_forms() {
    let cases = [
        (json!("2025-05-07 23:59:00"), moment("2025-05-07T23:59:00Z")),
        (json!("2025-05-07T23:59:00Z"), moment("2025-05-07T23:59:00Z")),
        (json!("07-05-2025 23:59"), moment("2025-05-07T23:59:00Z")),
        (json!("2024-02-29 23:59:00"), moment("2024-02-29T23:59:00Z")),
        (json!(""), EndTime::Unset),
        (json!(" "), EndTime::Unset),
        (json!(null), EndTime::Unset),
        (json!(1_746_662_340), EndTime::Unreadable("1746662340".to_owned())),
    ];
    for (value, expected) in cases {
        assert_eq!(parse(with(&json!({"schedule_end_time": value}))).end_time, expected, "{value}");
    }
    let others = "2025-02-29 23:59:00|2025-05-07|25-05-07 23:59:00|25-05-07 23:59|2025-5-7 23:59:00|\
                  +12025-05-07 23:59:00|2025-05-07T23:59:00+02:00";
    for text in others.split('|') {
        let read = parse(with(&json!({"schedule_end_time": text}))).end_time;
        assert_eq!(read, EndTime::Unreadable(text.to_owned()));
    }
}

#[test]
fn an_end_time_is_written_in_the_form_that_was_confirmed() {
    assert_eq!(end_time_text("2025-05-07T23:59:00.9Z".parse().unwrap()), "2025-05-07 23:59:00");
}

#[test]
fn money_is_read_from_numbers_and_texts_to_the_millionth() {
    let cases = [
        ("32.49", "32.49"),
        ("0", "0"),
        ("10", "10"),
        ("9.999999", "9.999999"),
        ("10.00", "10"),
        ("66.270003", "66.270003"),
        ("0.000001", "0.000001"),
        ("1e-7", "0"),
        ("1e1", "10"),
        ("1.5E+2", "150"),
        ("123456789.123456", "123456789.123456"),
        ("0.30000000000000004", "0.30"),
        ("\"12.34\"", "12.34"),
        ("\"$12.34\"", "12.34"),
        ("\" $0.5 \"", "0.5"),
        ("\"€12.34\"", "12.34"),
        ("\"12.34 EUR\"", "12.34"),
    ];
    for (text, expected) in cases {
        let value: Value = serde_json::from_str(text).unwrap();
        assert_eq!(parse(with(&json!({"spent_today": value}))).spent_today, usd(expected), "{text}");
    }
}

#[test]
fn money_that_cannot_be_read_is_a_failure_and_never_0() {
    let wrong = r#"-1 -0.01 1e300 18446744073709551615 true [1] {} "" "1,000.00" "1e3" "abc""#;
    for text in wrong.split(' ') {
        let value: Value = serde_json::from_str(text).unwrap();
        let spent_today = parse(with(&json!({"spent_today": value, "spent": 1}))).spent_today;
        let SpendReading::Failed(SourceFailure::Unreadable(reason)) = spent_today else {
            panic!("{text} was read");
        };
        assert!(reason.starts_with("`spent_today` of the campaign should be an amount of money, but is `"), "{reason}");
    }
}

#[test]
fn the_campaigns_own_spends_are_read_separately_and_are_no_source_in_another_time_zone() {
    let unread =
        || unreadable("`timezone` of the campaign should be a whole number, but is `\"Europe/Berlin\"`".to_owned());
    let cases = [
        (json!({"spent_today": 1, "spent": 2}), usd("1"), usd("2")),
        (json!({"spent_today": 0}), usd("0"), SpendReading::NoValue),
        (json!({"spent_today": null, "spent": 2}), SpendReading::NoValue, usd("2")),
        (json!({"spent_today": null, "spent": null}), SpendReading::NoValue, SpendReading::NoValue),
        (json!({"timezone": 3, "spent": 2}), SpendReading::NoSource, SpendReading::NoSource),
        (json!({"timezone": null}), usd("32.49"), SpendReading::NoValue),
        (json!({"timezone": "Europe/Berlin", "spent": 2}), unread(), unread()),
    ];
    for (change, spent_today, spent) in cases {
        let read = parse(with(&change));
        assert_eq!((read.spent_today, read.spent), (spent_today, spent), "{change}");
    }
}

#[test]
fn an_error_quotes_a_bounded_excerpt_on_one_line() {
    let error = campaign(&with(&json!({"id": "x\n".repeat(100_000)}))).unwrap_err().to_string();
    assert!(error.chars().count() < 200 && error.ends_with("…`"), "{error}");
}

#[test]
fn the_list_is_read_with_its_paging_and_as_a_bare_array() {
    let entries = json!([with(&json!({"id": 1})), with(&json!({"id": 2}))]);
    let paged =
        campaign_page(&json!({"page": 1, "count": 26, "page_count": 3, "page_size": 10, "response": entries.clone()}))
            .unwrap();
    let paging = (paged.page, paged.page_count, paged.page_size, paged.campaign_count);
    assert_eq!(paging, (Some(1), Some(3), Some(10), Some(26)));
    let bare = campaign_page(&entries).unwrap();
    assert_eq!(bare.campaigns, paged.campaigns);
    assert_eq!(bare.campaigns.keys().copied().collect::<Vec<_>>(), [RemoteId(1), RemoteId(2)]);
    assert_eq!(bare.list_size(), ListSize { campaigns: Some(2), page_size: Some(2), pages: Some(1) });
}

#[test]
fn one_unreadable_campaign_does_not_affect_the_others_of_the_list() {
    let page = campaign_page(&json!([{"id": "one"}, {"active": true}, "text", with(&json!({"id": 2}))])).unwrap();
    assert_eq!(page.campaigns.keys().copied().collect::<Vec<_>>(), [RemoteId(2)]);
    assert_eq!(page.nameless.len(), 3);
}

#[test]
fn a_list_whose_paging_fields_cannot_be_read_is_unreadable() {
    let cases = [
        (
            json!({"page_count": "three", "response": []}),
            "`page_count` of the list of campaigns should be a number from 0, but is `\"three\"`",
        ),
        (
            json!({"count": -1, "response": []}),
            "`count` of the list of campaigns should be a number from 0, but is `-1`",
        ),
        (json!({"page": 1}), "`response` of the list of campaigns should be an array, but is missing"),
        (json!({"response": {}}), "`response` of the list of campaigns should be an array, but is `{}`"),
        (json!(5), "the list of campaigns should be an object, but is `5`"),
    ];
    for (value, expected) in cases {
        assert_eq!(campaign_page(&value).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_switch_answer_lists_ids_as_numbers_or_texts() {
    let answer = switch_answer(&json!({"success": [1, "2"], "failed": ["3"], "total": 3})).unwrap();
    assert_eq!(answer.success, BTreeSet::from([RemoteId(1), RemoteId(2)]));
    assert_eq!(answer.failed, BTreeSet::from([RemoteId(3)]));
    let nothing = SwitchAnswer { success: BTreeSet::new(), failed: BTreeSet::new() };
    assert_eq!(switch_answer(&json!({})).unwrap(), nothing);
    for value in [json!({"success": true}), json!({"failed": [{}]}), json!([1])] {
        assert!(switch_answer(&value).is_err(), "{value}");
    }
}

#[test]
fn a_report_by_campaign_is_read_in_both_shapes() {
    let expected = vec![(RemoteId(1), usd("0.33")), (RemoteId(2), usd("66.27"))];
    let rows = json!([{"campaign_id": 1, "name": "a", "amount": 0.33135}, {"campaign_id": "2", "amount": "66.27"}]);
    assert_eq!(campaign_spends(&rows).unwrap(), expected);
    let table = json!({"data": {"columns": ["campaign_id", "amount"], "rows": [[1, 0.33135], ["2", "$66.27"]]}});
    assert_eq!(campaign_spends(&table).unwrap(), expected);
    assert_eq!(campaign_spends(&json!([])).unwrap(), []);
}

#[test]
fn a_row_without_an_amount_fails_for_its_campaign_and_a_row_without_a_campaign_for_the_whole_report() {
    let rows = campaign_spends(&json!([{"campaign_id": 1}, {"campaign_id": 2, "amount": -1}])).unwrap();
    let failed = |(_, answer): &(RemoteId, SpendReading)| matches!(answer, SpendReading::Failed(_));
    assert!(rows.len() == 2 && rows.iter().all(failed), "{rows:?}");
    let unreadable = [
        json!([{"amount": 1}]),
        json!([5]),
        json!({}),
        json!({"data": []}),
        json!({"data": {"columns": ["campaign_id", "amount"]}}),
        json!({"data": {"columns": ["campaign_id", "amount"], "rows": [[1]]}}),
        json!({"error": "try later"}),
    ];
    for value in unreadable {
        assert!(campaign_spends(&value).is_err(), "{value}");
    }
}

#[test]
fn a_report_by_days_gives_the_day_that_was_asked_for() {
    let day = NaiveDate::from_ymd_opt(2025, 5, 8).unwrap();
    let rows = json!([
        {"day": "2025-05-07", "amount": 1}, {"day": "2025-05-08", "amount": "2.5"}, {"day": "2025-05-09", "amount": 4},
    ]);
    let table = json!({"data": {"columns": ["day", "amount"], "rows": [["2025-05-08", "66.27"]]}});
    let cases = [
        (rows, usd("2.5")),
        (table, usd("66.27")),
        (json!([]), SpendReading::NoValue),
        (json!([{"day": "2025-05-07", "amount": 1}]), SpendReading::NoValue),
        (json!([{"day": "2025-05-08T00:00:00Z", "amount": 1}, {"day": "2025-05-08", "amount": 2}]), usd("3")),
    ];
    for (value, expected) in cases {
        assert_eq!(day_spend(&value, day).unwrap(), expected, "{value}");
    }
    let bad_amount = json!([{"day": "2025-05-08", "amount": null}, {"day": "2025-05-08", "amount": 1}]);
    assert!(matches!(day_spend(&bad_amount, day).unwrap(), SpendReading::Failed(_)));
    assert!(day_spend(&json!([{"amount": 1}]), day).is_err());
    assert!(day_spend(&json!([{"day": "yesterday", "amount": 1}]), day).is_err());
}

#[test]
fn a_reports_amounts_are_rounded_half_up_to_cents() {
    let day = NaiveDate::from_ymd_opt(2025, 5, 8).unwrap();
    let cases = [
        ("9.996", "10.00"),
        ("9.995", "10.00"),
        ("9.994999", "9.99"),
        ("22.896472", "22.90"),
        ("37.701788", "37.70"),
        ("0.004999", "0"),
        ("0.005", "0.01"),
    ];
    for (sent, expected) in cases {
        let by_campaign = campaign_spends(&json!([{"campaign_id": 1, "amount": sent}])).unwrap();
        assert_eq!(by_campaign, [(RemoteId(1), usd(expected))], "{sent}");
        let by_day = day_spend(&json!([{"day": "2025-05-08", "amount": sent}]), day).unwrap();
        assert_eq!(by_day, usd(expected), "{sent}");
    }
    let rows = json!([{"day": "2025-05-08", "amount": 0.004}, {"day": "2025-05-08", "amount": 0.004}]);
    assert_eq!(day_spend(&rows, day).unwrap(), usd("0.01"), "the day's sum is rounded, not its rows");
}

#[test]
fn a_token_answer_is_read_and_never_quoted() {
    let lifetimes = [
        (json!(36000), 36_000),
        (json!("36000"), 36_000),
        (json!(null), 600),
        (json!(-5), 0),
        (json!(1e18), 30 * 24 * 3600),
    ];
    for (expires_in, expected_seconds) in lifetimes {
        let answer = token(&json!({"access_token": "a.b.c", "expires_in": expires_in})).unwrap();
        assert_eq!(answer.lifetime.as_secs(), expected_seconds, "{expires_in}");
        assert!(!format!("{answer:?}").contains("a.b.c"));
    }
    let error = token(&json!({"access_token": ["secret"], "refresh_token": "secret"})).unwrap_err();
    assert!(!format!("{error:?} {error}").contains("secret"));
}
