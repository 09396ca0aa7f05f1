//! Runs and pauses: the paths, and the outcome of each campaign if a request is refused.

use super::*;

#[test]
fn run_and_pause_send_all_ids_at_once_and_each_has_its_own_outcome() {
    let mut remote = having(&[("PUT /v2/campaigns/", |_| json!({"success": [1, 4], "failed": ["2", 4], "total": 4}))]);
    for Switched { outcomes, failure } in [remote.run(&ids(1..=4)), remote.pause(&ids(1..=4))] {
        assert_eq!(failure, None);
        assert_eq!(outcomes[&RemoteId(1)], Outcome::Accepted);
        assert!(matches!(outcomes[&RemoteId(2)], Outcome::Failed(_)));
        assert!(matches!(outcomes[&RemoteId(3)], Outcome::Unclear(_)), "named nowhere");
        assert!(matches!(outcomes[&RemoteId(4)], Outcome::Unclear(_)), "named twice");
    }
    assert_eq!(remote.lines(), ["PUT /v2/campaigns/run", "PUT /v2/campaigns/pause"]);
    let run = remote.seen.iter().find(|seen| seen.path.ends_with("run")).unwrap();
    assert_eq!(run.body, r#"{"campaign_ids":[1,2,3,4]}"#);
    let urgencies: Vec<Urgency> = remote.seen.iter().map(|seen| seen.urgency).collect();
    assert!(urgencies.ends_with(&[Urgency::Activate, Urgency::Pause]), "{urgencies:?}");
}

#[test]
fn without_ids_there_is_no_request() {
    let mut remote = having(&[]);
    assert_eq!(remote.run(&ids([])).outcomes, BTreeMap::new());
    assert_eq!(remote.seen.len(), 0);
}

#[test]
fn the_path_that_works_is_found_and_remembered() {
    let mut remote = having(&[("PUT /v1.1/campaigns/pause", all_succeed)]);
    for _ in 0..2 {
        assert_eq!(*remote.pause(&ids([5])).outcome(), Outcome::Accepted);
    }
    let expected = ["PUT /v2/campaigns/pause", "PUT /v1.1/campaigns/pause", "PUT /v1.1/campaigns/pause"];
    assert_eq!(remote.lines(), expected);
}

#[test]
fn without_a_run_endpoint_each_campaign_is_switched_by_itself() {
    let mut remote = having(&[
        ("PATCH /v1.1/campaigns/1", |_| json!({"id": 1, "active": true})),
        ("PATCH /v1.1/campaigns/2", |_| json!({"id": 2, "active": false})),
    ]);
    let outcomes = remote.run(&ids(1..=3)).outcomes;
    assert_eq!(outcomes[&RemoteId(1)], Outcome::Accepted);
    assert!(matches!(outcomes[&RemoteId(2)], Outcome::Unclear(_)), "unchanged");
    assert!(matches!(outcomes[&RemoteId(3)], Outcome::Failed(_)), "404");
    assert_eq!(remote.seen.last().unwrap().body, r#"{"active":true}"#);
}

#[test]
fn a_refused_campaign_is_tried_by_the_other_paths_and_after_other_failures_it_is_not() {
    let cases = [
        (404, 3, "TrafficStars has no endpoint to pause campaigns: no known one exists (404 or 405)"),
        (405, 3, "TrafficStars has no endpoint to pause campaigns: no known one exists (404 or 405)"),
        (400, 3, "TrafficStars rejects the request (400): ``"),
        (403, 3, "TrafficStars rejects the request (403): ``"),
        (409, 3, "TrafficStars rejects the request (409): ``"),
        (500, 4, "TrafficStars has an internal error (500)"),
        (302, 1, "TrafficStars rejects the request (302): ``"),
    ];
    for (code, expected_requests, expected) in cases {
        let mut remote = Remote::answering(move |_| status(code));
        let pause = remote.pause(&ids([1]));
        assert_eq!(remote.lines().len(), expected_requests, "{code}");
        assert_eq!(pause.failure.as_deref(), Some(expected), "{code}");
        let text = expected.to_owned();
        let outcome = if code == 500 { Outcome::Unclear(text) } else { Outcome::Failed(text) };
        assert_eq!(*pause.outcome(), outcome, "{code}");
    }
    let mut rate_limited = Remote::answering(|_| status(429));
    assert!(matches!(rate_limited.run(&ids([1])).outcome(), Outcome::Postponed(_)));
    assert_eq!(rate_limited.lines().len(), 1, "its facts would be too old after the wait");
}

/// Returns a remote that refuses requests for campaign 4 by the ways whose path begins with `way`.
fn refusing_four(way: &'static str, code: u16) -> Remote {
    Remote::answering(move |seen| {
        let names_four = seen.body.contains('4') || seen.path.ends_with("/4");
        match seen.method.as_str() {
            _ if names_four && seen.line().starts_with(way) => refusal(code, r#"{"detail": "not this one"}"#),
            "PATCH" => Ok(json!({"id": 4, "active": false})),
            _ => Ok(all_succeed(seen)),
        }
    })
}

#[test]
fn one_refused_id_does_not_stop_other_pauses_and_changes_no_endpoint() {
    for code in [400, 403, 409, 422, 500] {
        let mut remote = refusing_four("P", code);
        let Switched { outcomes, failure } = remote.pause(&ids(1..=6));
        let others = outcomes.iter().filter(|(id, _)| id.0 != 4);
        assert!(others.clone().count() == 5 && others.clone().all(|(_, outcome)| *outcome == Outcome::Accepted));
        let refusal = failure.unwrap();
        let is_refusal = match &outcomes[&RemoteId(4)] {
            Outcome::Failed(reason) => code != 500 && *reason == refusal && reason.contains("not this one"),
            Outcome::Unclear(reason) => code == 500 && *reason == refusal,
            outcome @ (Outcome::Accepted | Outcome::NotSent(_) | Outcome::Postponed(_)) => panic!("{outcome:?}"),
        };
        assert!(is_refusal && refusal.contains(&code.to_string()), "{code}: {outcomes:?} {refusal}");
        let of = |line: &str| remote.lines().iter().filter(|each| each.starts_with(line)).count();
        let expected = match code {
            400 => (5, 2, 1),
            500 => (6, 1, 1),
            _ => (5, 1, 1),
        };
        assert_eq!((of("PUT /v2"), of("PUT /v1.1"), of("PATCH")), expected, "{code}: {:?}", remote.lines());
        let shown: Vec<_> = remote.endpoints().into_iter().map(|(_, path)| path).collect();
        assert_eq!(shown, [Some("PUT /v2/campaigns/pause".to_owned())], "{code}");
        assert_eq!(remote.endpoint_events(), []);

        let before = remote.lines().len();
        remote.pause(&ids(1..=6));
        assert_eq!(remote.lines().len() - before, 4, "{code}: the others together, and the refused one by three ways");
    }
}

#[test]
fn a_campaign_that_one_way_refuses_is_paused_by_another() {
    for (way, last) in [("PUT /v2", "PUT /v1.1/campaigns/pause"), ("PUT", "PATCH /v1.1/campaigns/4")] {
        for code in [400, 422] {
            let mut remote = refusing_four(way, code);
            let Switched { outcomes, failure } = remote.pause(&ids(3..=5));
            assert!(
                outcomes.len() == 3 && outcomes.values().all(|outcome| *outcome == Outcome::Accepted),
                "{outcomes:?}"
            );
            assert_eq!((remote.lines().last().unwrap().as_str(), failure), (last, None), "{code}");
        }
    }
}

#[test]
fn a_refused_run_is_halved_like_a_pause_and_no_run_leaves_too_late() {
    let mut remote = refusing_four("PUT", 422);
    let Switched { outcomes, .. } = remote.run(&ids(1..=6));
    let accepted = outcomes.iter().filter(|(_, outcome)| **outcome == Outcome::Accepted).count();
    assert_eq!(accepted, 5, "{outcomes:?}");
    assert!(matches!(outcomes[&RemoteId(4)], Outcome::Failed(_)), "{outcomes:?}");
    assert!(
        remote.lines().iter().all(|line| line.starts_with("PUT")),
        "a refused run is not forced: {:?}",
        remote.lines()
    );

    let before = remote.lines().len();
    let too_late = Some(remote.now.wall - TimeDelta::seconds(1));
    let Switched { outcomes, failure } = remote.switch(Switch::Run, &ids(1..=6), too_late);
    assert!(outcomes.values().all(|outcome| matches!(outcome, Outcome::Postponed(_))), "{outcomes:?}");
    assert!(failure.is_some() && remote.lines().len() == before, "{failure:?}");
}
