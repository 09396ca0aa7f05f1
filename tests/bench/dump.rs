//! The cost of a dump: building it from the board and writing it as JSON, for growing numbers of campaigns.
//!
//! `cargo bench` prints it. The times depend on the machine. The last column can be compared: the cost of one campaign,
//! relative to the smallest dump in the same run. It should fall with more campaigns, and then stay the same.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that unwraps says which line failed")]

use std::time::{Duration, Instant};

use traffic_generator::board::Board;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::status::Dump;

const EXAMPLE: &str = include_str!("../data/dump-v1.json");
const CAMPAIGNS: [i64; 3] = [10, 1_000, 10_000];
const ROUNDS: usize = 11;

fn main() {
    let example: Dump = serde_json::from_str(EXAMPLE).unwrap();
    println!("{:>9} {:>12} {:>12} {:>14}", "campaigns", "bytes", "median", "per campaign");
    let mut smallest = None;
    for campaigns in CAMPAIGNS {
        let board = Board::new(example.started_at);
        for id in 0..campaigns {
            let mut status = example.campaigns.first().unwrap().clone();
            status.id = CampaignId(id);
            board.publish_campaign(status);
        }
        let dump = || {
            let start = Instant::now();
            let bytes = serde_json::to_vec(&board.dump(example.captured_at)).unwrap().len();
            (start.elapsed(), bytes)
        };
        let mut rounds: Vec<(Duration, usize)> = (0..ROUNDS).map(|_| dump()).collect();
        rounds.sort();
        let (median, bytes) = *rounds.get(ROUNDS / 2).unwrap();
        let each = median.as_secs_f64() / campaigns as f64;
        let ratio = each / *smallest.get_or_insert(each);
        println!("{campaigns:>9} {bytes:>12} {median:>12.1?} {ratio:>13.2}×");
    }
}
