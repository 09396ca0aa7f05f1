//! The stored count of requests sent to TrafficStars.

use super::*;

#[test]
fn requests_are_counted_by_the_second_and_old_counts_are_deleted() {
    on_every_store(async |_database, store| {
        let at = |seconds| noon() + chrono::Duration::seconds(seconds);
        let count = async |requests, by, unused| store.count_requests(requests, at(by), unused, at(by)).await.unwrap();
        for (by, requests) in [(0, 3), (0, 4), (59, 1), (61, 2)] {
            count(requests, by, None).await;
        }
        assert_eq!(store.requests_sent(at(1)).await.unwrap(), [(at(60), 1), (at(62), 2)]);
        count(5, 70, Some((at(0), 6))).await;
        let all = store.requests_sent(at(0)).await.unwrap();
        assert_eq!(all, [(at(1), 1), (at(60), 1), (at(62), 2), (at(71), 5)], "six were never sent");
        count(1, 3_600, Some((at(0), 1))).await;
        assert_eq!(store.requests_sent(at(0)).await.unwrap().len(), 1);
    });
}
