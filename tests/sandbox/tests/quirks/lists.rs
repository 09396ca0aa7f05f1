//! The list of campaigns: pages and filters.

use sandbox::{CampaignSpec, IdFilter, Interference, Options};
use serde_json::Value;

use crate::caller::Caller;

/// Returns the ids of a list's answer.
fn ids(answer: &Value) -> Vec<i64> {
    answer["response"].as_array().unwrap().iter().map(|campaign| campaign["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn the_list_has_pages_of_ten_a_filter_and_no_archived_campaigns() {
    let caller = Caller::with((1..=26).map(CampaignSpec::running)).await;
    caller.sandbox.add_campaign(CampaignSpec { archived: true, ..CampaignSpec::running(27) });
    caller.sandbox.interfere(5, Interference::Stop).unwrap();
    let (_, last) = caller.get("/v1.1/campaigns?page=3&per_page=100").await;
    let shape = ["page", "count", "page_count", "page_size"].map(|name| last[name].as_u64().unwrap());
    assert_eq!((shape, last["response"].as_array().unwrap().len()), ([3, 26, 3, 10], 6));
    assert_eq!(caller.get("/v1.1/campaigns?status[]=paused").await.1["response"][0]["id"], 5);
    caller.sandbox.change_options(|options| options.max_page_size = Some(20));
    assert_eq!(caller.get("/v1.1/campaigns?per_page=100").await.1["page_size"], 20);
    caller.sandbox.change_options(|options| options.bare_list = true);
    assert_eq!(caller.get("/v1.1/campaigns").await.1.as_array().unwrap().len(), 26);
}

#[tokio::test]
async fn a_form_of_the_id_filter_that_is_not_understood_is_ignored() {
    let caller = Caller::with((1..=4).map(CampaignSpec::running)).await;
    let (all, some) = (vec![1, 2, 3, 4], vec![2, 4]);
    for (id_filter, plain, brackets) in [
        (IdFilter::Plain, &some, &all),
        (IdFilter::Brackets, &all, &some),
        (IdFilter::Either, &some, &some),
        (IdFilter::Ignored, &all, &all),
    ] {
        caller.sandbox.change_options(|options| options.id_filter = id_filter);
        for (query, expected) in
            [("id=2&id=4", plain), ("id[]=2&id[]=4", brackets), ("id%5B%5D=2&id%5B%5D=4", brackets)]
        {
            let (_, answer) = caller.get(&format!("/v1.1/campaigns?{query}")).await;
            assert_eq!(&ids(&answer), expected, "{id_filter:?} {query}");
            assert_eq!(answer["count"], expected.len(), "{id_filter:?} {query}");
        }
    }
}

#[tokio::test]
async fn the_list_can_be_filtered_by_several_status_words_and_by_archived() {
    let unfunded = CampaignSpec { no_funds: true, ..CampaignSpec::running(3) };
    let archived = CampaignSpec { archived: true, ..CampaignSpec::paused(4) };
    let caller = Caller::with([CampaignSpec::running(1), CampaignSpec::paused(2), unfunded, archived]).await;
    for (query, expected) in [
        ("", vec![1, 2, 3]),
        ("?status[]=enabled", vec![1]),
        ("?status[]=paused&status[]=no_funds_active", vec![2, 3]),
        ("?status[]=archived", vec![4]),
        ("?status[]=warming_up", vec![]),
        ("?status[]=enabled&id=2", vec![]),
    ] {
        assert_eq!(ids(&caller.get(&format!("/v1.1/campaigns{query}")).await.1), expected, "{query}");
    }
}

#[tokio::test]
async fn the_options_name_the_parameters_of_the_page_size() {
    let caller = Caller::new(Options { max_page_size: Some(50), ..Options::default() }).await;
    let page_size = async |query: &str| caller.get(&format!("/v1.1/campaigns?{query}")).await.1["page_size"].clone();
    for name in ["size", "per_page", "page_size", "limit"] {
        assert_eq!(page_size(&format!("{name}=30")).await, 30, "{name}");
    }
    caller.sandbox.change_options(|options| options.page_size_names = vec!["size".to_owned()]);
    assert_eq!(page_size("per_page=30&page_size=30&limit=30").await, 10);
    assert_eq!(page_size("per_page=40&size=30").await, 30);
}
