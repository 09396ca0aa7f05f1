//! Reads of campaigns by their ids: which form of the filter is used, and what is sent if there is none.

use super::*;

const SIZES: &str = "size=100&per_page=100&page_size=100&limit=100";

/// How a list of 300 campaigns, of which 10 are on each page, takes parameters named `id[]` or `id`.
#[derive(Debug, Clone, Copy)]
enum Filter {
    /// This parameter filters.
    By(&'static str),
    /// It filters by the last value of either parameter alone.
    LastAlone,
    Ignored,
    /// Any `id` is answered with this status.
    Refused(u16),
}

fn ids_of(seen: &Seen, name: &str) -> Vec<i64> {
    let value = |pair: &str| pair.strip_prefix(name)?.strip_prefix('=')?.parse().ok();
    seen.query.split('&').filter_map(value).collect()
}

fn list(filter: Filter) -> impl FnMut(&Seen) -> Said + 'static {
    move |seen| {
        if let Some(id) = seen.path.strip_prefix("/v1.1/campaigns/") {
            return Ok(campaign(id.parse().unwrap()));
        }
        let asked = [ids_of(seen, "id[]"), ids_of(seen, "id")].concat();
        let listed: Vec<i64> = match filter {
            Filter::Refused(code) if !asked.is_empty() => return status(code),
            Filter::By(name) if !ids_of(seen, name).is_empty() => ids_of(seen, name),
            Filter::LastAlone if !asked.is_empty() => asked.last().copied().into_iter().collect(),
            Filter::By(_) | Filter::LastAlone | Filter::Ignored | Filter::Refused(_) => (1..=300).collect(),
        };
        let page = ids_of(seen, "page").first().map_or(1, |page| usize::try_from(*page).unwrap());
        let on_it: Vec<Value> = listed.iter().skip((page - 1) * 10).take(10).map(|id| campaign(*id)).collect();
        let pages = listed.len().div_ceil(10);
        Ok(json!({"page": page, "page_count": pages, "page_size": 10, "count": listed.len(), "response": on_it}))
    }
}

/// Reads three campaigns that are on three pages. Returns what was sent.
#[track_caller]
fn lines_of_a_read(remote: &mut Remote) -> Vec<String> {
    remote.seen.clear();
    let read = remote.read(&ids([5, 105, 205]));
    assert!(read.len() == 3 && read.values().all(Result::is_ok), "{read:?}");
    remote.lines()
}

fn by_id(name: &str, ids: &[i64], sizes: &str) -> String {
    let ids: Vec<String> = ids.iter().map(|id| format!("{name}={id}")).collect();
    format!("GET /v1.1/campaigns?{}{sizes}", ids.join("&"))
}

#[test]
fn the_form_of_the_filter_that_works_is_found_and_kept() {
    let sizes = format!("&{SIZES}");
    for (filter, tried) in [(Filter::By("id[]"), vec!["id[]"]), (Filter::By("id"), vec!["id[]", "id"])] {
        let mut remote = Remote::answering(list(filter));
        let works = *tried.last().unwrap();
        // The first page shows campaign 5, and that there are too many pages to search.
        let page = format!("GET /v1.1/campaigns?page=1&{SIZES}");
        let trials = tried.iter().map(|name| by_id(name, &[105, 205], &sizes));
        assert_eq!(lines_of_a_read(&mut remote), std::iter::once(page).chain(trials).collect::<Vec<_>>(), "{filter:?}");
        assert_eq!(lines_of_a_read(&mut remote), [by_id(works, &[5, 105, 205], &sizes)], "{filter:?}");
    }
}

#[test]
fn without_a_filter_the_campaigns_are_read_by_themselves_and_it_is_tried_again_a_quarter_of_an_hour_later() {
    let alone = |id: i64| format!("GET /v1.1/campaigns/{id}");
    for filter in [Filter::Ignored, Filter::LastAlone, Filter::Refused(400), Filter::Refused(404)] {
        let mut remote = Remote::answering(list(filter));
        let first = lines_of_a_read(&mut remote);
        assert_eq!(first.len(), 1 + 4 + 2, "{filter:?}: a page, each form of the filter, two campaigns: {first:?}");
        for _ in 0..2 {
            let mut lines = lines_of_a_read(&mut remote);
            lines.sort();
            assert_eq!(lines, [alone(105), alone(205), alone(5)], "{filter:?}");
        }
        remote.pass(TimeDelta::minutes(16));
        let later = lines_of_a_read(&mut remote);
        assert_eq!(later.len(), 4 + 3, "{filter:?}: {later:?}");
    }
}

#[test]
fn a_filter_that_no_longer_works_is_given_up_at_once() {
    let mut works = true;
    let mut working = list(Filter::By("id"));
    let mut ignoring = list(Filter::Ignored);
    let mut reads = 0;
    let mut remote = Remote::answering(move |seen| {
        reads += usize::from(!ids_of(seen, "id").is_empty());
        works &= reads <= 2;
        if works { working(seen) } else { ignoring(seen) }
    });
    lines_of_a_read(&mut remote);
    assert_eq!(lines_of_a_read(&mut remote).len(), 1);
    assert_eq!(lines_of_a_read(&mut remote).len(), 4 + 3);
    assert_eq!(lines_of_a_read(&mut remote).len(), 3);
}
