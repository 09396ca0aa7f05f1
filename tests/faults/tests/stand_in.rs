//! A storm and checkers, until the simulation's own are connected.

pub(crate) mod storm {
    use chrono::{DateTime, Duration, Utc};
    use traffic_generator::domain::policy::PolicyNumbers;
    use traffic_generator::trafficstar::budget::Ticket;

    use crate::model::guard::Guard;
    use crate::model::log::{Line, Row, What};
    use crate::model::outside::{Outside, Scenario};

    pub(crate) fn run(seed: u64) -> Vec<Line> {
        let begins_at: DateTime<Utc> = "2026-11-22T06:00:30Z".parse().unwrap();
        let minute_ms = 60_000;
        let scenario = Scenario {
            seed,
            begins_at,
            campaigns: 60,
            page_size: 10,
            latency_ms: 50..500,
            without_spend_percent: 5,
            crosses_in_ms: minute_ms..10 * minute_ms,
            refill_in_ms: minute_ms..5 * minute_ms,
            refill_lasts_ms: 5 * minute_ms..20 * minute_ms,
            endless: 0,
            endless_cross_in_ms: 0..minute_ms,
        };
        let mut guard = Guard::new(Outside::new(scenario), 20, begins_at).unwrap();
        guard.run_until(begins_at + Duration::minutes(20));
        let policy = PolicyNumbers::default().validate().unwrap();
        let rows = vec![Row { enabled: true, policy }; 60];
        let begins = What::Begins { requests_per_minute: 20, page_size: 10, rows };
        let arrived = guard.outside.remote.log().iter().map(|arrival| {
            let what = What::Arrived { ticket: Ticket(0), call: arrival.call.clone(), refused: false };
            (arrival.at, what)
        });
        let all = std::iter::once((begins_at, begins)).chain(arrived);
        all.map(|(at, what)| Line { at, wall: at, process: 1, what }).collect()
    }
}

pub(crate) mod check {
    use std::collections::{BTreeMap, VecDeque};

    use chrono::Duration;

    use crate::model::log::{Line, What};
    use crate::model::remote::Call;

    #[derive(Debug)]
    pub(crate) struct Violation {
        pub(crate) checker: &'static str,
        pub(crate) line: usize,
        pub(crate) text: String,
    }

    pub(crate) fn check(lines: &[Line]) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut window = VecDeque::new();
        let mut ends_at = BTreeMap::new();
        for (number, line) in lines.iter().enumerate() {
            let What::Arrived { call, .. } = &line.what else { continue };
            window.push_back(line.at);
            while window.front().is_some_and(|first| *first + Duration::seconds(60) <= line.at) {
                window.pop_front();
            }
            if window.len() > 20 {
                let text = format!("{} requests in a minute", window.len());
                found.push(Violation { checker: "limit", line: number, text });
            }
            if let Call::EndTime { id, at } = call {
                ends_at.insert(*id, *at);
            }
            if let Call::Run(ids) = call {
                for id in ids.iter().filter(|id| ends_at.get(id).is_none_or(|at| *at <= line.at)) {
                    let text = format!("{id} is run without an end time");
                    found.push(Violation { checker: "end-time-before-run", line: number, text });
                }
            }
        }
        found
    }
}
