//! Tests of a switch batch: which requests leave, and the outcome of each campaign.

use super::*;

const V2: usize = 0;
const V1: usize = 1;
const EACH: usize = 2;
const WAYS: [Way; 3] = [Way::Together, Way::Together, Way::Each];

fn ids(numbers: impl IntoIterator<Item = i64>) -> BTreeSet<RemoteId> {
    numbers.into_iter().map(RemoteId).collect()
}

fn all_accepted(ids: &BTreeSet<RemoteId>) -> Ended {
    Ended::Answered(ids.iter().map(|id| (*id, Outcome::Accepted)).collect())
}

fn refused(status: u16) -> Ended {
    match status {
        404 => Ended::NoSuchWay("404".to_owned()),
        500.. => Ended::Broke(status.to_string()),
        status => Ended::Refused { reason: status.to_string(), perhaps_the_way: status == 400 },
    }
}

/// A batch that is over, and its requests in their order: the way, and the campaigns.
struct Batch {
    split: Split,
    sent: Vec<(usize, Vec<i64>)>,
    outcomes: BTreeMap<RemoteId, Outcome>,
}

impl Batch {
    /// Carries out a batch. Requests that may leave at once are answered in their order. Otherwise each request is
    /// answered before the next one leaves.
    fn of(campaigns: impl IntoIterator<Item = i64>, answer: impl FnMut(usize, &BTreeSet<RemoteId>) -> Ended) -> Self {
        Self::with(campaigns, &SetAside::default(), answer)
    }

    fn with(
        campaigns: impl IntoIterator<Item = i64>,
        aside: &SetAside,
        answer: impl FnMut(usize, &BTreeSet<RemoteId>) -> Ended,
    ) -> Self {
        Self::by(&WAYS, campaigns, aside, answer)
    }

    fn by(
        ways: &[Way],
        campaigns: impl IntoIterator<Item = i64>,
        aside: &SetAside,
        mut answer: impl FnMut(usize, &BTreeSet<RemoteId>) -> Ended,
    ) -> Self {
        let campaigns = ids(campaigns);
        let mut split = Split::new(campaigns.clone(), &aside.of(at(0), &campaigns), ways, 3);
        let (mut sent, mut outcomes) = (Vec::new(), BTreeMap::new());
        loop {
            let attempts: Vec<Attempt> = std::iter::from_fn(|| split.next_attempt()).collect();
            for attempt in &attempts {
                sent.push((attempt.way, attempt.ids.iter().map(|id| id.0).collect()));
            }
            for attempt in &attempts {
                split.ended(attempt.id, answer(attempt.way, &attempt.ids));
            }
            for (id, outcome) in split.take_settled() {
                assert_eq!(outcomes.insert(id, outcome), None, "{id} has two outcomes");
            }
            if attempts.is_empty() {
                assert!(split.is_over());
                break;
            }
        }
        let settled: BTreeSet<RemoteId> = outcomes.keys().chain(split.unserved()).copied().collect();
        assert_eq!(settled, campaigns, "each campaign has an outcome, or no way was found for it");
        Self { split, sent, outcomes }
    }

    fn accepted(&self) -> BTreeSet<RemoteId> {
        let accepted = self.outcomes.iter().filter(|(_, outcome)| **outcome == Outcome::Accepted);
        accepted.map(|(id, _)| *id).collect()
    }
}

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::minutes(minutes)
}

/// Refuses every request for campaign 4.
fn four_is_refused(status: u16) -> impl FnMut(usize, &BTreeSet<RemoteId>) -> Ended {
    move |_, ids| if ids.contains(&RemoteId(4)) { refused(status) } else { all_accepted(ids) }
}

#[test]
fn no_request_holds_more_than_a_hundred_campaigns_and_all_leave_at_once() {
    let mut split = Split::new(ids(1..=250), &BTreeSet::new(), &WAYS, 1);
    let attempts: Vec<Attempt> = std::iter::from_fn(|| split.next_attempt()).collect();
    let named: Vec<_> = attempts.iter().map(|attempt| (attempt.way, attempt.ids.clone())).collect();
    assert_eq!(named, [(V2, ids(1..=100)), (V2, ids(101..=200)), (V2, ids(201..=250))]);

    // If one request is refused as a whole, such as by a 413, the others are not affected.
    let batch = Batch::of(1..=250, |_, ids| if ids.len() == 100 { refused(413) } else { all_accepted(ids) });
    assert_eq!((batch.accepted().len(), batch.sent.len()), (250, 7));
    assert_eq!(batch.split.working_way(), Some(V2));
}

#[test]
fn an_accepted_batch_is_one_request() {
    let batch = Batch::of(1..=6, |_, ids| all_accepted(ids));
    assert_eq!(batch.sent, [(V2, (1..=6).collect())]);
    assert_eq!((batch.accepted(), batch.split.working_way()), (ids(1..=6), Some(V2)));
    assert_eq!(batch.split.failure(), None);
    assert_eq!(Batch::of([], |_, _| panic!()).sent, []);
}

#[test]
fn one_refused_id_is_found_by_halving_and_sent_by_the_other_ways() {
    let whole: Vec<i64> = (1..=6).collect();
    let halving =
        [(V2, vec![1, 2, 3]), (V2, vec![4, 5, 6]), (V2, vec![4]), (V2, vec![5, 6]), (V1, vec![4]), (EACH, vec![4])];
    for (status, before) in [
        (422, vec![(V2, whole.clone())]),
        (403, vec![(V2, whole.clone())]),
        (409, vec![(V2, whole.clone())]),
        // TrafficStars may not understand the way.
        (400, vec![(V2, whole.clone()), (V1, whole.clone())]),
        // The failure may be over.
        (500, vec![(V2, whole.clone()), (V2, whole.clone())]),
    ] {
        let batch = Batch::of(1..=6, four_is_refused(status));
        assert_eq!(batch.sent, [before, halving.to_vec()].concat(), "{status}");
        assert_eq!(batch.accepted(), ids([1, 2, 3, 5, 6]), "{status}");
        let reason = status.to_string();
        let expected = if status == 500 { Outcome::Unclear(reason.clone()) } else { Outcome::Failed(reason.clone()) };
        assert_eq!(batch.outcomes[&RemoteId(4)], expected);
        assert_eq!(batch.split.failure(), Some(reason.as_str()));
        assert_eq!(batch.split.working_way(), Some(V2), "{status}: one id says nothing about the way");
    }
}

#[test]
fn a_run_that_the_other_ways_refuse_is_not_forced_one_by_one() {
    const WAYS_OF_A_RUN: [Way; 3] = [Way::Together, Way::Together, Way::EachUnlessRefused];
    for (first, second, forced) in
        [(400, 400, false), (422, 400, false), (404, 400, false), (500, 404, false), (404, 404, true)]
    {
        let batch = Batch::by(&WAYS_OF_A_RUN, [4], &SetAside::default(), |way, ids| match way {
            V2 => refused(first),
            V1 => refused(second),
            _ => all_accepted(ids),
        });
        let asked_each = batch.sent.iter().any(|(way, _)| *way == EACH);
        assert_eq!(
            (asked_each, !batch.accepted().is_empty()),
            (forced, forced),
            "{first}, then {second}: {:?}",
            batch.sent
        );
    }
    let others = Batch::by(&WAYS_OF_A_RUN, 1..=6, &SetAside::default(), four_is_refused(400));
    assert_eq!(others.accepted(), ids([1, 2, 3, 5, 6]));
}

/// The operation's circuit counts the failures of one batch once.
#[test]
fn only_the_first_request_of_a_batch_is_no_repeat() {
    for status in [500, 422, 400] {
        let mut split = Split::new(ids(1..=6), &BTreeSet::new(), &WAYS, 1);
        let mut repeats = Vec::new();
        while let Some(attempt) = split.next_attempt() {
            repeats.push(attempt.is_repeat);
            split.ended(attempt.id, four_is_refused(status)(attempt.way, &attempt.ids));
        }
        let (first, others) = repeats.split_first().unwrap();
        assert!(!first && others.len() > 5 && others.iter().all(|is_repeat| *is_repeat), "{status}: {repeats:?}");
    }
    let mut split = Split::new(ids([4]), &ids([4]), &WAYS, 1);
    assert!(split.next_attempt().unwrap().is_repeat, "it was refused by itself in an earlier batch");
}

#[test]
fn an_id_that_another_way_accepts_is_done_and_says_nothing_about_the_ways() {
    for (takes, last) in [(V1, (V1, vec![4])), (EACH, (EACH, vec![4]))] {
        let batch =
            Batch::of(1..=6, |way, ids| if way == takes { all_accepted(ids) } else { four_is_refused(422)(way, ids) });
        assert_eq!(batch.sent.last(), Some(&last));
        assert_eq!((batch.accepted(), batch.split.working_way()), (ids(1..=6), Some(V2)));
    }
    let batch = Batch::of([4], |way, ids| if way == EACH { all_accepted(ids) } else { refused(422) });
    assert_eq!((batch.sent.len(), batch.accepted(), batch.split.working_way()), (3, ids([4]), None));
}

#[test]
fn any_set_of_refused_ids_leaves_the_others_done() {
    for bad in 0_u32..64 {
        let is_bad = |id: &RemoteId| bad & (1 << (id.0 - 1)) != 0;
        for status in [400, 409, 503] {
            let batch =
                Batch::of(1..=6, |_, ids| if ids.iter().any(is_bad) { refused(status) } else { all_accepted(ids) });
            let good = ids((1..=6).filter(|id| !is_bad(&RemoteId(*id))));
            assert_eq!(batch.accepted(), good, "{bad:06b} {status}: {:?}", batch.sent);
        }
    }
}

#[test]
fn of_a_hundred_campaigns_with_ten_refused_ones_all_others_are_done_first() {
    let bad = |id: &RemoteId| id.0 % 10 == 7;
    let batch = Batch::of(1..=100, |_, ids| if ids.iter().any(bad) { refused(422) } else { all_accepted(ids) });
    assert_eq!(batch.accepted(), ids((1..=100).filter(|id| !bad(&RemoteId(*id)))), "{:?}", batch.sent);
}

#[test]
fn campaigns_that_a_batch_did_not_reach_are_postponed_and_not_failed() {
    let bad = |id: &RemoteId| id.0 % 3 == 0;
    let batch = Batch::of(1..=300, |_, ids| if ids.iter().any(bad) { refused(422) } else { all_accepted(ids) });
    for (id, outcome) in &batch.outcomes {
        let is_right = match outcome {
            Outcome::Accepted => !bad(id),
            Outcome::Failed(_) => bad(id),
            Outcome::Postponed(_) => true,
            Outcome::Unclear(_) | Outcome::NotSent(_) => false,
        };
        assert!(is_right, "{id}: {outcome:?}");
    }
    assert!(batch.outcomes.values().any(|outcome| matches!(outcome, Outcome::Postponed(_))));
}

#[test]
fn after_a_5xx_the_outcome_stays_unclear_although_a_later_request_fails() {
    let failed = Ended::Answered([(RemoteId(4), Outcome::Failed("under `failed`".to_owned()))].into());
    for then in [refused(404), failed] {
        let mut tries = 0;
        let batch = Batch::of([4], |_, _| {
            tries += 1;
            if tries == 1 { refused(502) } else { then.clone() }
        });
        assert_eq!(batch.outcomes.get(&RemoteId(4)), Some(&Outcome::Unclear("502".to_owned())), "{then:?}");
    }
}

#[test]
fn a_way_that_does_not_exist_counts_as_no_refusal() {
    let batch = Batch::of(1..=3, |way, ids| if way == V2 { refused(404) } else { all_accepted(ids) });
    assert_eq!(batch.sent, [(V2, vec![1, 2, 3]), (V1, vec![1, 2, 3])]);
    assert_eq!(batch.split.working_way(), Some(V1));

    let batch = Batch::of(1..=3, |way, ids| if way == EACH { all_accepted(ids) } else { refused(404) });
    assert_eq!(batch.sent[2..], [(EACH, vec![1]), (EACH, vec![2]), (EACH, vec![3])]);
    assert_eq!(batch.split.working_way(), Some(EACH));

    let one_is_gone = |way, ids: &BTreeSet<RemoteId>| {
        if way == EACH && !ids.contains(&RemoteId(2)) { all_accepted(ids) } else { refused(404) }
    };
    let batch = Batch::of(1..=3, one_is_gone);
    assert_eq!((batch.accepted(), batch.split.unserved()), (ids([1, 3]), &ids([2])));
    assert!(!batch.split.has_no_way());

    let batch = Batch::of(1..=3, |_, _| refused(404));
    assert_eq!((batch.split.unserved(), batch.split.has_no_way()), (&ids(1..=3), true));
}

#[test]
fn a_400_by_the_only_way_for_many_is_halved_and_not_sent_one_by_one() {
    let bad = |way, ids: &BTreeSet<RemoteId>| match way {
        V1 => refused(404),
        _ => four_is_refused(400)(way, ids),
    };
    let batch = Batch::of(1..=6, bad);
    assert_eq!(batch.accepted(), ids([1, 2, 3, 5, 6]));
    assert_eq!(batch.sent[..3], [(V2, (1..=6).collect()), (V1, (1..=6).collect()), (V2, vec![1, 2, 3])]);
    assert_eq!(batch.sent.iter().filter(|(way, _)| *way == EACH).count(), 1, "{:?}", batch.sent);
}

#[test]
fn a_failure_that_says_nothing_about_the_ids_is_not_halved() {
    let outcomes = [
        Outcome::Unclear("no answer".to_owned()),
        Outcome::NotSent("no leader".to_owned()),
        Outcome::Postponed("too late".to_owned()),
        Outcome::Failed("no token".to_owned()),
    ];
    for outcome in outcomes {
        let batch = Batch::of(1..=6, |_, _| Ended::Other(outcome.clone()));
        assert_eq!(batch.sent.len(), 1);
        assert!(batch.outcomes.values().all(|each| *each == outcome), "{:?}", batch.outcomes);
    }
}

#[test]
fn a_half_without_an_answer_does_not_delay_the_other_half() {
    let mut split = Split::new(ids(1..=4), &BTreeSet::new(), &WAYS, 1);
    let whole = split.next_attempt().unwrap();
    split.ended(whole.id, refused(422));
    let (one, other) = (split.next_attempt().unwrap(), split.next_attempt().unwrap());
    assert_eq!((&one.ids, &other.ids), (&ids([1, 2]), &ids([3, 4])));
    split.ended(other.id, all_accepted(&other.ids));
    let settled: BTreeSet<RemoteId> = split.take_settled().into_iter().map(|(id, _)| id).collect();
    assert_eq!(settled, ids([3, 4]), "it does not wait for the other half's time-out");
    split.ended(one.id, Ended::Other(Outcome::Unclear("no answer".to_owned())));
    assert_eq!(split.take_settled().len(), 2);
}

#[test]
fn after_a_429_a_request_is_sent_again_and_a_429_is_no_refusal() {
    let mut rate_limits = 0;
    let batch = Batch::of(1..=6, |_, ids| {
        rate_limits += 1;
        if rate_limits < 3 { Ended::RateLimited(Outcome::Postponed("429".to_owned())) } else { all_accepted(ids) }
    });
    assert_eq!((batch.sent.len(), batch.accepted()), (3, ids(1..=6)));
    let batch = Batch::of(1..=6, |_, _| Ended::RateLimited(Outcome::Postponed("429".to_owned())));
    assert_eq!(batch.sent.len(), 3);
    assert_eq!(batch.outcomes[&RemoteId(1)], Outcome::Postponed("429".to_owned()));
}

#[test]
fn a_5xx_that_is_over_at_the_second_try_is_no_refusal_and_one_that_is_not_leaves_the_outcome_unclear() {
    let mut tries = 0;
    let batch = Batch::of(1..=6, |_, ids| {
        tries += 1;
        if tries == 1 { refused(502) } else { all_accepted(ids) }
    });
    assert_eq!((batch.sent.len(), batch.accepted()), (2, ids(1..=6)));

    // The first request may have paused the campaign, although the next ones are refused.
    let mut tries = 0;
    let batch = Batch::of([4], |_, _| {
        tries += 1;
        if tries < 3 { refused(502) } else { refused(422) }
    });
    assert_eq!(batch.outcomes[&RemoteId(4)], Outcome::Unclear("502".to_owned()));
}

#[test]
fn a_campaign_that_a_200_lists_as_failed_is_sent_by_no_other_way() {
    let failed = Outcome::Failed("TrafficStars lists it under `failed`".to_owned());
    let batch = Batch::of([4, 5], |_, _| {
        Ended::Answered([(RemoteId(4), failed.clone()), (RemoteId(5), Outcome::Accepted)].into())
    });
    assert_eq!((batch.sent.len(), &batch.outcomes[&RemoteId(4)]), (1, &failed));
    assert_eq!(batch.split.failure(), None, "the request did not fail");
}

#[test]
fn halving_ends_if_everything_is_refused_and_moves_to_another_way_if_only_one_way_is_refused() {
    for status in [403, 500] {
        let batch = Batch::of(1..=1_000, |_, _| refused(status));
        assert!(
            batch.sent.len() <= MOST_WITHOUT_SUCCESS + 2 + 1_000 / MOST_IDS,
            "{}: {} requests",
            status,
            batch.sent.len()
        );
        assert_eq!(batch.accepted(), ids([]));
        assert!(!batch.split.has_no_way());
    }
    let batch = Batch::of(1..=1_000, |way, ids| if way == V2 { refused(403) } else { all_accepted(ids) });
    assert_eq!(batch.accepted().len(), 1_000);
    assert!(batch.sent.len() <= 2 * MOST_WITHOUT_SUCCESS + 1_000 / MOST_IDS, "{} requests", batch.sent.len());

    let some = |id: &RemoteId| id.0 % 3 == 0;
    let batch = Batch::of(1..=1_000, |_, ids| if ids.iter().any(some) { refused(403) } else { all_accepted(ids) });
    let refusals = batch.split.refusals;
    assert!((MOST_REFUSALS..MOST_REFUSALS + 2).contains(&refusals), "{refusals}");
}

#[test]
fn a_bounded_number_of_requests_after_a_refusal_is_in_flight_at_once() {
    let mut split = Split::new(ids(1..=64), &BTreeSet::new(), &WAYS, 1);
    let mut most = 0;
    let mut in_flight: Vec<Attempt> = Vec::new();
    loop {
        in_flight.extend(std::iter::from_fn(|| split.next_attempt()));
        most = most.max(in_flight.len());
        let Some(first) = (!in_flight.is_empty()).then(|| in_flight.remove(0)) else { break };
        let answer = if first.ids.iter().any(|id| id.0 % 9 == 0) { refused(409) } else { all_accepted(&first.ids) };
        split.ended(first.id, answer);
    }
    assert_eq!(most, MOST_AT_ONCE);
}

#[test]
fn a_campaign_refused_by_itself_while_others_were_accepted_is_sent_by_itself_for_a_while() {
    let mut aside = SetAside::default();
    let batch = Batch::of(1..=6, four_is_refused(422));
    aside.learn(at(0), &batch.split);
    assert_eq!((aside.of(at(14), &ids(1..=6)), aside.of(at(15), &ids(1..=6))), (ids([4]), ids([])));
    assert_eq!(aside.of(at(-1), &ids(1..=6)), ids([]), "the clock was set back");

    let next = Batch::with(1..=6, &aside, four_is_refused(422));
    let expected = [(V2, vec![1, 2, 3, 5, 6]), (V2, vec![4]), (V1, vec![4]), (EACH, vec![4])];
    assert_eq!(next.sent, expected);
    assert_eq!(next.accepted(), ids([1, 2, 3, 5, 6]));

    let over = Batch::with(1..=6, &aside, |_, ids| all_accepted(ids));
    assert_eq!(over.sent, [(V2, vec![1, 2, 3, 5, 6]), (V2, vec![4])]);
    aside.learn(at(1), &over.split);
    assert_eq!(aside.of(at(1), &ids(1..=6)), ids([]), "the refusal has ended");

    let mut none = SetAside::default();
    none.learn(at(0), &Batch::of([4], |_, _| refused(422)).split);
    none.learn(at(0), &Batch::of(1..=6, |_, _| refused(403)).split);
    assert_eq!(none.of(at(0), &ids(1..=6)), ids([]), "no other campaign was accepted, so the id may not be the cause");
}
