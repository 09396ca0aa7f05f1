//! The count of requests that left for TrafficStars.

use super::*;

#[tokio::test]
async fn requests_are_counted_by_the_second_for_the_next_process_and_forgotten_after_a_while() {
    on_every_database(async |database| {
        let store = database.store().await;
        let at = |seconds| noon() + chrono::Duration::seconds(seconds);
        for (seconds, requests) in [(0, 3), (0, 4), (59, 1), (61, 2)] {
            store.count_requests(requests, at(seconds)).await.unwrap();
        }
        let sent = |rows: Vec<RequestsSent>| rows.iter().map(|row| (row.by, row.requests)).collect::<Vec<_>>();
        let of_late = sent(store.requests_sent(at(1)).await.unwrap());
        assert_eq!(of_late, [(at(60), 1), (at(62), 2)]);
        let all = sent(store.requests_sent(at(0)).await.unwrap());
        assert_eq!(all, [(at(1), 7), (at(60), 1), (at(62), 2)]);
        store.count_requests(1, at(3_600)).await.unwrap();
        assert_eq!(store.requests_sent(at(0)).await.unwrap().len(), 1);
    })
    .await;
}
