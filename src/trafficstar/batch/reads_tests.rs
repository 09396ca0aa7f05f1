//! Tests of the plan of reads: which requests it makes, and which questions each answer serves.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

/// Returns room for this many reads, urgent or not.
fn room(requests: usize) -> Room {
    Room { urgent: requests, sweeps: requests, may_wait: false }
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::seconds(seconds)
}

fn question(id: i64, urgency: Urgency, threshold_in_minutes: i64) -> ReadQuestion {
    ReadQuestion { remote: RemoteId(id), urgency, threshold_in: Duration::minutes(threshold_in_minutes) }
}

/// TrafficStars' list of campaigns, in its order.
#[derive(Debug, Clone)]
struct Remote {
    listed: Vec<i64>,
    page_size: usize,
    /// What works of the list.
    reads: ListReads,
}

impl Remote {
    fn of(listed: impl IntoIterator<Item = i64>, page_size: usize) -> Self {
        Self { listed: listed.into_iter().collect(), page_size, reads: ListReads::Pages }
    }

    fn with_filter(self) -> Self {
        Self { reads: ListReads::ById, ..self }
    }

    /// Returns the answer to a request: for each campaign the request's own number.
    fn answer(&self, planned: &PlannedRead) -> ReadAnswer<u64> {
        let (page, listed): (u64, Vec<i64>) = match &planned.read {
            ReadRequest::Page(page) => (*page, self.listed.clone()),
            ReadRequest::ById(ids) => {
                (1, self.listed.iter().copied().filter(|id| ids.contains(&RemoteId(*id))).collect())
            }
            ReadRequest::Single(_) => return ReadAnswer::Single(planned.id.0),
        };
        let first = (usize::try_from(page).unwrap() - 1) * self.page_size;
        let on_it = listed.iter().skip(first).take(self.page_size);
        let size = ListSize {
            campaigns: Some(listed.len() as u64),
            page_size: Some(self.page_size as u64),
            pages: Some(listed.len().div_ceil(self.page_size) as u64),
        };
        ReadAnswer::Page { campaigns: on_it.map(|id| (RemoteId(*id), planned.id.0)).collect(), size }
    }
}

/// Asks for all these campaigns at once and reads them as the room allows. Returns how many requests it took, and the
/// campaigns that were answered.
fn tick(reads: &mut Reads<u64>, remote: &Remote, now: i64, ids: &[i64], mut left: usize) -> (usize, Vec<i64>) {
    let asked: BTreeMap<RequesterId, i64> =
        ids.iter().map(|id| (reads.ask(at(now), question(*id, Urgency::Read, 60)), *id)).collect();
    let (mut requests, mut answered) = (0, Vec::new());
    loop {
        let planned = reads.plan(at(now), room(left), remote.reads);
        left = left.saturating_sub(planned.len());
        requests += planned.len();
        if planned.is_empty() {
            return (requests, answered);
        }
        for planned in planned {
            let answers = reads.answered(planned.id, remote.answer(&planned));
            answered.extend(answers.iter().filter_map(|(requester, _)| asked.get(requester)));
        }
    }
}

#[test]
fn the_plan_takes_the_fewest_requests_that_serve_all() {
    let every_third: Vec<i64> = (1..=300).step_by(3).collect();
    let few: Vec<i64> = (1..=900).step_by(75).collect();
    let cases: Vec<(&str, Remote, Vec<i64>, usize, usize)> = vec![
        ("one campaign is read by itself", Remote::of(1..=5, 10), vec![1], 1, 1),
        ("two campaigns on one page", Remote::of(1..=10, 10), vec![1, 2], 1, 1),
        ("all on three pages", Remote::of(1..=26, 10), (1..=26).collect(), 3, 3),
        ("one on a page is read by itself", Remote::of(1..=30, 10), vec![1, 2, 30], 3, 2),
        ("a few on one page of many are not searched for", Remote::of(1..=300, 10), vec![11, 12, 13], 4, 3),
        ("a few out of very many", Remote::of(1..=1_000, 10), vec![5, 505, 905], 4, 3),
        ("some of each page", Remote::of(1..=300, 10), every_third, 30, 30),
        ("a campaign that is not listed is read by itself", Remote::of(1..=20, 10), vec![1, 2, 11, 12, 99], 3, 3),
        ("pages of 100 for 1,000", Remote::of(1..=1_000, 100), (1..=1_000).collect(), 10, 10),
        ("pages of 10 for 1,000", Remote::of(1..=1_000, 10), (1..=1_000).collect(), 100, 100),
        ("a list in one piece", Remote::of(1..=40, 40), (1..=40).collect(), 1, 1),
        ("twelve of very many, by id", Remote::of(1..=900, 10).with_filter(), few.clone(), 3, 2),
        ("twelve of very many, by id, on pages of 100", Remote::of(1..=900, 100).with_filter(), few, 3, 1),
        ("one campaign with a filter by id", Remote::of(1..=900, 10).with_filter(), vec![5], 1, 1),
        ("all, with a filter by id", Remote::of(1..=300, 10).with_filter(), (1..=300).collect(), 30, 30),
        ("not listed, with a filter by id", Remote::of(1..=90, 10).with_filter(), vec![5, 15, 25, 99], 3, 2),
    ];
    for (name, remote, ids, most_at_first, later) in cases {
        let mut reads = Reads::new(Duration::minutes(1));
        for (number, most) in [(0, most_at_first), (1, later), (2, later)] {
            let (requests, mut answered) = tick(&mut reads, &remote, number * 60, &ids, 1_000);
            answered.sort_unstable();
            assert_eq!(answered, ids, "{name}: every campaign is answered in tick {number}");
            assert!(requests <= most, "{name}: {requests} requests in tick {number}");
        }
        assert_eq!(reads.cost(remote.reads), later, "{name}");
    }
}

#[test]
fn a_campaign_that_moved_is_read_by_itself_and_a_list_that_always_changes_is_read_whole() {
    let mut reads = Reads::new(Duration::minutes(1));
    let ids: Vec<i64> = (1..=40).collect();
    assert_eq!(tick(&mut reads, &Remote::of(1..=40, 10), 0, &ids, 100).0, 4);
    // A new campaign in front moves the last campaign of each page to the next page.
    let (requests, answered) = tick(&mut reads, &Remote::of(0..=40, 10), 60, &ids, 100);
    // Three of them were found on the next page, which was read, too. The last one moved to a new page.
    assert_eq!((requests, answered.len()), (4 + 1, 40));
    let (requests, _) = tick(&mut reads, &Remote::of(0..=40, 10), 120, &ids, 100);
    assert!(requests <= 5, "{requests}");
    // From now on each campaign is on another page in each tick.
    for turn in 3..6_i64 {
        let shuffled = Remote::of((1..=40).map(|id| (id * 7 * turn) % 41), 10);
        let (requests, answered) = tick(&mut reads, &shuffled, turn * 60, &ids, 100);
        assert_eq!(answered.len(), 40);
        assert!(turn == 3 || requests <= 4, "{requests} requests in turn {turn}");
    }
}

#[test]
fn with_too_small_a_budget_every_campaign_is_read_within_the_bound_and_those_close_to_a_threshold_sooner() {
    for (slots, expected_bound, closest_within) in [(63, 4, 1), (12, 17, 8)] {
        assert_bound(&Remote::of(1..=1_000, 10), slots, expected_bound, closest_within);
        // Each page has one of the campaigns. Those close to a threshold are read together.
        let among_many = Remote::of((1..=1_000).flat_map(|id| (id..).step_by(1_000).take(10)), 10).with_filter();
        assert_bound(&among_many, slots, expected_bound, 2);
    }
}

/// Checks the bound for 1,000 campaigns that ten requests for each hundred can read. `slots` requests may leave in each
/// tick.
fn assert_bound(remote: &Remote, slots: usize, expected_bound: usize, closest_within: i64) {
    let mut reads = Reads::new(Duration::minutes(1));
    // Campaigns close to a threshold are on every fifth page. A pause needs one campaign.
    let threshold_in = |id: i64| if id % 50 == 0 { 1 } else { 60 };
    let urgency = |id: i64| if id == 7 { Urgency::Pause } else { Urgency::Read };
    let mut waiting: BTreeMap<RequesterId, i64> = BTreeMap::new();
    let mut read_at: BTreeMap<i64, i64> = BTreeMap::new();
    let (mut worst, mut worst_of_closest) = (0, 0);
    for minute in 0..90 {
        let busy: BTreeSet<i64> = waiting.values().copied().collect();
        for id in (1..=1_000).filter(|id| !busy.contains(id)) {
            waiting.insert(reads.ask(at(minute * 60), question(id, urgency(id), threshold_in(id))), id);
        }
        let mut left = slots;
        loop {
            let planned = reads.plan(at(minute * 60), Room { urgent: left + 10, ..room(left) }, remote.reads);
            left = left.saturating_sub(planned.iter().filter(|read| read.urgency != Urgency::Pause).count());
            if planned.is_empty() {
                break;
            }
            for planned in planned {
                for (requester, _) in reads.answered(planned.id, remote.answer(&planned)) {
                    let id = waiting.remove(&requester).unwrap();
                    let since = minute - read_at.insert(id, minute).unwrap_or(minute);
                    if minute > 40 {
                        worst = worst.max(since);
                        worst_of_closest = worst_of_closest.max(if threshold_in(id) == 1 { since } else { 0 });
                    }
                }
            }
        }
        assert_eq!(reads.campaigns(), 1_000, "campaigns that have waited for long are counted, too");
        assert_eq!(read_at.get(&7), Some(&minute), "a read that a pause needs never waits");
    }
    assert_eq!(reads.cost(remote.reads), 100);
    let bound = Reads::<u64>::ticks_needed(100, slots);
    assert_eq!(bound, expected_bound);
    assert!(worst <= bound as i64, "with {slots} a campaign was read after {worst} ticks, not {bound}");
    assert!(
        worst_of_closest <= closest_within,
        "with {slots} a campaign close to a threshold waited {worst_of_closest} ticks"
    );
    assert_eq!(read_at.len(), 1_000);
}

#[test]
fn after_a_failure_that_all_requests_share_a_page_is_not_asked_for_again_before_the_others_have_answered() {
    let remote = Remote::of(1..=30, 10);
    let mut reads = Reads::new(Duration::minutes(1));
    tick(&mut reads, &remote, 0, &(1..=10).collect::<Vec<_>>(), 100);
    let asked = [31, 32, 33, 34].map(|id| reads.ask(at(60), question(id, Urgency::Read, 60)));
    let planned = reads.plan(at(60), room(3), ListReads::Pages);
    let [unsent, second, last] = &planned[..] else { panic!("{planned:?}") };
    let failed = ReadAnswer::PageFailed { answer: 0, of_the_page: false };
    assert_eq!(reads.answered(unsent.id, failed), []);
    assert_eq!(reads.plan(at(60), room(100), ListReads::Pages), []);
    assert_eq!(reads.answered(second.id, remote.answer(second)), []);
    assert_eq!(reads.answered(last.id, remote.answer(last)), asked.map(|requester| (requester, 0)));
}

#[test]
fn a_failed_page_fails_only_for_its_campaigns_and_one_that_a_pause_needs_is_read_by_itself() {
    let remote = Remote::of(1..=20, 10);
    let mut reads = Reads::new(Duration::minutes(1));
    tick(&mut reads, &remote, 0, &(1..=20).collect::<Vec<_>>(), 100);
    let asked: BTreeMap<RequesterId, i64> = (1..=20)
        .map(|id| {
            let urgency = if id == 11 { Urgency::Pause } else { Urgency::Read };
            (reads.ask(at(60), question(id, urgency, 60)), id)
        })
        .collect();
    let planned = reads.plan(at(60), room(100), ListReads::Pages);
    assert_eq!(planned.len(), 2);
    let mut failed = Vec::new();
    for planned in planned {
        let fails = planned.read == ReadRequest::Page(2);
        let answer =
            if fails { ReadAnswer::PageFailed { answer: 0, of_the_page: true } } else { remote.answer(&planned) };
        for (requester, answer) in reads.answered(planned.id, answer) {
            if answer == 0 {
                failed.push(asked[&requester]);
            }
        }
    }
    assert_eq!(failed, (12..=20).collect::<Vec<_>>());
    let planned = reads.plan(at(60), room(1), ListReads::Pages);
    let shown: Vec<_> = planned.iter().map(|planned| (planned.read.clone(), planned.urgency)).collect();
    assert_eq!(shown, [(ReadRequest::Single(RemoteId(11)), Urgency::Pause)]);
}

/// Without this, the requests that are queued already would get every free slot.
#[test]
fn only_one_read_that_a_pause_needs_may_wait_for_the_next_slot() {
    let mut reads: Reads<u64> = Reads::new(Duration::minutes(1));
    for (id, urgency) in [(1, Urgency::Read), (2, Urgency::ReadBack), (3, Urgency::Pause), (4, Urgency::Pause)] {
        reads.ask(at(0), question(id, urgency, 60));
    }
    let full = Room { may_wait: true, ..room(0) };
    assert_eq!(reads.plan(at(0), room(0), ListReads::Fail), []);
    let planned: Vec<_> =
        reads.plan(at(0), full, ListReads::Fail).iter().map(|read| (read.read.clone(), read.urgency)).collect();
    assert_eq!(planned, [(ReadRequest::Single(RemoteId(3)), Urgency::Pause)]);
}

#[test]
fn without_a_list_each_campaign_is_read_by_itself() {
    let mut reads: Reads<u64> = Reads::new(Duration::minutes(1));
    for id in 1..=5 {
        reads.ask(at(0), question(id, Urgency::Read, 60));
    }
    let [page] = &reads.plan(at(0), room(100), ListReads::Pages)[..] else { panic!("one page first") };
    assert_eq!((&page.read, page.urgency), (&ReadRequest::Page(1), Urgency::Sweep));
    assert!(reads.answered(page.id, ReadAnswer::NoList).is_empty());
    assert_eq!(reads.plan(at(0), room(100), ListReads::Fail).len(), 5);
    assert!(reads.plan(at(0), room(100), ListReads::Fail).is_empty(), "no campaign is asked for twice");
    assert_eq!(reads.cost(ListReads::Fail), 5);
}

#[test]
fn an_answer_serves_only_the_questions_that_came_before_its_request() {
    let remote = Remote::of(1..=5, 10);
    let mut reads = Reads::new(Duration::minutes(1));
    let early = reads.ask(at(0), question(1, Urgency::Read, 60));
    let [read] = &reads.plan(at(0), room(100), ListReads::Pages)[..] else { panic!("one request") };
    let late = reads.ask(at(0), question(1, Urgency::Read, 60));
    assert_eq!(reads.answered(read.id, remote.answer(read)), [(early, read.id.0)]);
    let [read] = &reads.plan(at(0), room(100), ListReads::Pages)[..] else { panic!("one more request") };
    assert_eq!(reads.answered(read.id, remote.answer(read)), [(late, read.id.0)]);
}

/// Asks for campaigns of a list that is known, each on a page of its own, and returns the plan.
fn plan_of_spread(reads: &mut Reads<u64>, list_reads: ListReads) -> Vec<PlannedRead> {
    let remote = Remote::of(1..=900, 10);
    tick(reads, &remote, 0, &(1..=900).collect::<Vec<_>>(), 1_000);
    for id in (1..=900).step_by(75) {
        reads.ask(at(60), question(id, Urgency::Read, 60));
    }
    reads.plan(at(60), room(100), list_reads)
}

#[test]
fn a_filter_that_was_not_tried_yet_is_tried_by_one_request_and_the_others_are_read_without_it() {
    let mut reads = Reads::new(Duration::minutes(1));
    let planned = plan_of_spread(&mut reads, ListReads::Untested);
    let sizes: Vec<usize> = planned.iter().map(|planned| planned.read.parts().count()).collect();
    assert_eq!(sizes, [1, 1, 10], "two campaigns by themselves, and ten by their ids");
    reads.ask(at(60), question(2, Urgency::Read, 60));
    let further = reads.plan(at(60), room(100), ListReads::Untested);
    assert!(further.iter().all(|planned| matches!(planned.read, ReadRequest::Single(_))), "{further:?}");
    let trial = planned.last().unwrap();
    assert_eq!(reads.answered(trial.id, ReadAnswer::NotFiltered), [], "the filter is ignored");
    assert_eq!(reads.plan(at(61), room(100), ListReads::Pages).len(), 10, "they are read without it");
}

#[test]
fn a_campaign_that_an_answer_by_id_does_not_hold_is_read_by_itself_until_a_quarter_of_an_hour_has_passed() {
    let mut reads = Reads::new(Duration::minutes(1));
    let planned = plan_of_spread(&mut reads, ListReads::ById);
    // Campaign 1 is on no page for a moment.
    let remote = Remote::of(2..=900, 10).with_filter();
    for planned in planned {
        reads.answered(planned.id, remote.answer(&planned));
    }
    let alone = |reads: &mut Reads<u64>, second, also: &[i64]| {
        for id in also {
            reads.ask(at(second), question(*id, Urgency::Read, 60));
        }
        let planned = reads.plan(at(second), room(100), ListReads::ById);
        let is_alone = planned.iter().any(|planned| planned.read == ReadRequest::Single(RemoteId(1)));
        for planned in planned {
            reads.answered(planned.id, remote.answer(&planned));
        }
        is_alone
    };
    assert!(alone(&mut reads, 60, &[]), "in the same tick");
    assert!(alone(&mut reads, 120, &[1, 76, 151]), "in the next one");
    assert!(!alone(&mut reads, 960, &[1, 76, 151]), "after a quarter of an hour it is tried");
}

#[test]
fn answers_that_are_cut_or_miscounted_cost_a_few_requests_and_no_campaign() {
    let few: Vec<i64> = (1..=900).step_by(15).collect();
    // The answer names a page size of 100, and holds 10.
    let cut = |planned: &PlannedRead, remote: &Remote| {
        let ReadAnswer::Page { mut campaigns, size } = remote.answer(planned) else { return remote.answer(planned) };
        let campaigns_there = campaigns.len() as u64;
        while campaigns.len() > 10 {
            campaigns.pop_last();
        }
        ReadAnswer::Page { campaigns, size: ListSize { campaigns: Some(campaigns_there), ..size } }
    };
    let miscounted = |planned: &PlannedRead, remote: &Remote| {
        let ReadAnswer::Page { campaigns, size } = remote.answer(planned) else { return remote.answer(planned) };
        let count = size.campaigns.map(|campaigns| campaigns + 1);
        ReadAnswer::Page { campaigns, size: ListSize { campaigns: count, ..size } }
    };
    type Lie = fn(&PlannedRead, &Remote) -> ReadAnswer<u64>;
    let lies: [(&str, Lie, usize, usize); 2] = [("cut", cut, 10, 7), ("miscounted", miscounted, 10, 7)];
    for (name, lie, most_at_first, later) in lies {
        let remote = Remote::of(1..=900, 100).with_filter();
        let mut reads = Reads::new(Duration::minutes(1));
        tick(&mut reads, &Remote::of(1..=900, 100), 0, &(1..=900).collect::<Vec<_>>(), 1_000);
        for (minute, most) in [(1, most_at_first), (2, later), (3, later)] {
            let asked = few.iter().map(|id| reads.ask(at(minute * 60), question(*id, Urgency::Read, 60)));
            let mut asked: BTreeSet<RequesterId> = asked.collect();
            let mut requests = 0;
            while !asked.is_empty() {
                let planned = reads.plan(at(minute * 60), room(1_000), remote.reads);
                assert!(!planned.is_empty(), "{name}: {} questions stay open", asked.len());
                requests += planned.len();
                for planned in planned {
                    let answers = reads.answered(planned.id, lie(&planned, &remote));
                    for (requester, _) in answers {
                        asked.remove(&requester);
                    }
                }
            }
            assert!(requests <= most, "{name}: {requests} requests in minute {minute}");
        }
    }
}

/// One event of the test.
#[derive(Debug, Clone)]
enum Step {
    Ask(ReadQuestion),
    /// The room (in requests), and what works of the list.
    Plan(usize, ListReads),
    Answer(Index, How),
    /// Campaigns appear, disappear and move.
    Change(Remote),
}

#[derive(Debug, Clone, Copy)]
enum How {
    Well,
    Failed,
    Unsent,
    NoList,
}

fn step() -> impl Strategy<Value = Step> {
    let urgency = prop::sample::select(vec![Urgency::Pause, Urgency::ReadBack, Urgency::Read]);
    let all_reads = [ListReads::Fail, ListReads::Pages, ListReads::Untested, ListReads::ById, ListReads::ById];
    let list_reads = prop::sample::select(all_reads.to_vec());
    let how = prop_oneof![6 => Just(How::Well), 2 => Just(How::Failed), 1 => Just(How::Unsent), 1 => Just(How::NoList)];
    let listed = prop::collection::vec(0_i64..40, 0..40).prop_map(|mut ids| {
        let mut seen = BTreeSet::new();
        ids.retain(|id| seen.insert(*id));
        ids
    });
    prop_oneof![
        8 => (0_i64..40, urgency, 0_i64..90)
            .prop_map(|(id, urgency, threshold_in)| Step::Ask(question(id, urgency, threshold_in))),
        4 => (0_usize..8, list_reads).prop_map(|(room, list_reads)| Step::Plan(room, list_reads)),
        6 => (any::<Index>(), how).prop_map(|(which, how)| Step::Answer(which, how)),
        1 => (listed, 1_usize..7).prop_map(|(listed, page_size)| Step::Change(Remote::of(listed, page_size))),
    ]
}

struct World {
    reads: Reads<u64>,
    remote: Remote,
    asked: BTreeMap<RequesterId, RemoteId>,
    answered: BTreeMap<RequesterId, u64>,
    under_way: Vec<PlannedRead>,
}

impl World {
    fn plan(&mut self, room: usize, list_reads: ListReads) {
        let room = Room { urgent: room, sweeps: room / 2, may_wait: room.is_multiple_of(2) };
        let planned = self.reads.plan(at(0), room, list_reads);
        let ordinary = planned.iter().filter(|read| read.urgency > Urgency::ReadBack).count();
        let most = room.urgent.max(usize::from(room.may_wait));
        assert!(ordinary <= room.sweeps && planned.len() <= most, "{} requests for {room:?}", planned.len());
        self.under_way.extend(planned);
    }

    fn answer(&mut self, which: usize, how: How) {
        let planned = self.under_way.swap_remove(which);
        let failed = |of_the_page| ReadAnswer::PageFailed { answer: planned.id.0, of_the_page };
        let answer = match (how, &planned.read) {
            (How::Well, _) => self.remote.answer(&planned),
            (How::Failed, ReadRequest::Page(_) | ReadRequest::ById(_)) => failed(true),
            (How::Unsent, ReadRequest::Page(_) | ReadRequest::ById(_)) => failed(false),
            (How::NoList, ReadRequest::Page(_)) => ReadAnswer::NoList,
            (How::NoList, ReadRequest::ById(_)) => ReadAnswer::NotFiltered,
            (How::Failed | How::Unsent | How::NoList, ReadRequest::Single(_)) => ReadAnswer::Single(planned.id.0),
        };
        for (requester, read) in self.reads.answered(planned.id, answer) {
            assert!(read > requester.0, "the read is older than the question");
            assert!(self.answered.insert(requester, read).is_none(), "a question is answered twice");
            assert!(self.asked.contains_key(&requester));
        }
    }
}

proptest! {
    #[test]
    fn every_question_is_answered_once_by_no_older_read_in_any_order(steps in prop::collection::vec(step(), 1..150), has_filter in any::<bool>()) {
        let last_reads = if has_filter { ListReads::ById } else { ListReads::Pages };
        let mut world = World {
            reads: Reads::new(Duration::minutes(1)),
            remote: Remote::of(0..25, 4),
            asked: BTreeMap::new(),
            answered: BTreeMap::new(),
            under_way: Vec::new(),
        };
        for step in steps {
            match step {
                Step::Ask(question) => {
                    let requester = world.reads.ask(at(0), question);
                    world.asked.insert(requester, question.remote);
                }
                Step::Plan(room, list_reads) => world.plan(room, list_reads),
                Step::Answer(which, how) if !world.under_way.is_empty() => {
                    world.answer(which.index(world.under_way.len()), how);
                }
                Step::Answer(..) => {}
                Step::Change(remote) => world.remote = remote,
            }
        }
        // When nothing fails, a few passes answer every question.
        for _ in 0..8 {
            world.plan(1_000, last_reads);
            while !world.under_way.is_empty() {
                world.answer(0, How::Well);
            }
        }
        prop_assert_eq!(world.asked.keys().collect::<Vec<_>>(), world.answered.keys().collect::<Vec<_>>());
        prop_assert_eq!(world.reads.waiting(), 0);
    }
}
