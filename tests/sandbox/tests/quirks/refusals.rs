//! One campaign whose id makes the requests that name it fail, and the ways to run and pause one.

use reqwest::{Method, StatusCode};
use sandbox::{CampaignSpec, Interference, Operation, Options, Refusal, Way};
use serde_json::{Value, json};

use crate::caller::Caller;

/// Runs or pauses by one of the ways, and answers the status and the body.
async fn switch(caller: &Caller, way: Way, word: &str, ids: &[i64]) -> (StatusCode, Value) {
    let together = json!({"campaign_ids": ids});
    match way {
        Way::V2 => caller.send(Method::PUT, &format!("/v2/campaigns/{word}"), together).await,
        Way::V1 => caller.send(Method::PUT, &format!("/v1.1/campaigns/{word}"), together).await,
        Way::Single => caller.send(Method::PUT, &format!("/v1.1/campaigns/{}/{word}", ids[0]), json!({})).await,
        Way::Edit => {
            let body = json!({"active": word == "run"});
            caller.send(Method::PATCH, &format!("/v1.1/campaigns/{}", ids[0]), body).await
        }
    }
}

async fn with(specs: impl IntoIterator<Item = CampaignSpec>) -> Caller {
    let caller = Caller::new(Options::default()).await;
    for spec in specs {
        caller.sandbox.add_campaign(spec);
    }
    caller
}

#[tokio::test]
async fn each_way_runs_and_pauses() {
    let caller = with([CampaignSpec::paused(1)]).await;
    for way in [Way::V2, Way::V1, Way::Single, Way::Edit] {
        assert_eq!(switch(&caller, way, "run", &[1]).await.0, 200, "{way:?}");
        assert!(caller.sandbox.is_running(1), "{way:?}");
        let (_, answer) = switch(&caller, way, "pause", &[1]).await;
        assert!(!caller.sandbox.is_running(1), "{way:?}");
        assert!(answer["success"] == json!([1]) || answer["active"] == json!(false), "{way:?}: {answer}");
    }
    let record = |operation| caller.sandbox.requests().into_iter().rfind(|request| request.operation == operation);
    assert_eq!(record(Operation::Pause).unwrap().changed, [1]);
    caller.sandbox.add_campaign(CampaignSpec::blocked(2));
    assert_eq!(switch(&caller, Way::Single, "run", &[2]).await.0, 400);
    assert_eq!(switch(&caller, Way::Single, "run", &[3]).await.0, 404);
    caller.sandbox.change_options(|options| options.single_run_and_pause = false);
    assert_eq!(switch(&caller, Way::Single, "run", &[1]).await.0, 404);
}

#[tokio::test]
async fn a_refused_id_takes_the_whole_request_with_it() {
    let caller = with([1, 2, 3].map(CampaignSpec::running)).await;
    for status in [400, 403, 409, 422, 500] {
        let refuse = Interference::Refuse(Some(Refusal::of_all(status).on(Operation::Pause)));
        caller.sandbox.interfere(2, refuse).unwrap();
        for way in [Way::V2, Way::V1] {
            assert_eq!(switch(&caller, way, "pause", &[1, 2, 3]).await.0.as_u16(), status, "{way:?}");
        }
        for way in [Way::V2, Way::V1, Way::Single, Way::Edit] {
            assert_eq!(switch(&caller, way, "pause", &[2]).await.0.as_u16(), status, "{way:?}");
            assert_eq!(switch(&caller, way, "run", &[2]).await.0, 200, "{way:?}");
        }
        assert_eq!([1, 2, 3].map(|id| caller.sandbox.is_running(id)), [true; 3], "nothing has happened");
        assert!(
            caller
                .sandbox
                .requests()
                .iter()
                .all(|request| { request.operation != Operation::Pause || request.changed.is_empty() })
        );
    }
    assert_eq!(switch(&caller, Way::V2, "pause", &[1, 3]).await.1["success"], json!([1, 3]));
    let end_time = json!({"schedule_end_time": "2030-01-01 23:59:00"});
    assert_eq!(caller.send(Method::PATCH, "/v1.1/campaigns/2", end_time).await.0, 200);
    caller.sandbox.interfere(2, Interference::Refuse(None)).unwrap();
    assert_eq!(switch(&caller, Way::V2, "pause", &[2]).await.1["success"], json!([2]));
}

#[tokio::test]
async fn some_ways_can_refuse_alone() {
    let refusal = Refusal::of_all(422).by(Way::V2).by(Way::V1);
    let caller = with([CampaignSpec { refusal: Some(refusal), ..CampaignSpec::running(1) }]).await;
    for (way, status) in [(Way::V2, 422), (Way::V1, 422), (Way::Single, 200), (Way::Edit, 200)] {
        for word in ["pause", "run"] {
            assert_eq!(switch(&caller, way, word, &[1]).await.0.as_u16(), status, "{way:?} {word}");
        }
    }
}
