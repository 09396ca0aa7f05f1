//! The URLs of one campaign, each with its limit and its clicks. The tracker knows only the clicks that are left of all
//! of them; they are used one URL after the other.

use traffic_generator::domain::ids::UrlId;
use traffic_generator::domain::money::{Clicks, UrlCount};

use super::random::Random;

/// The URLs of one campaign.
#[derive(Debug, Clone)]
pub(crate) struct Urls {
    urls: Vec<UrlCount>,
    last_id: i64,
}

impl Urls {
    /// Returns one URL with this many clicks left.
    pub(crate) fn of(left: i64) -> Self {
        let limit = Clicks(left.max(0).unsigned_abs());
        Self { urls: vec![UrlCount { id: UrlId(1), limit, clicks: Clicks(0), is_active: true }], last_id: 1 }
    }

    /// Takes in how many clicks are left of the active URLs: more have been used; or, if that is more than there were,
    /// the limit of the first one was raised.
    pub(crate) fn settle(&mut self, left: i64) {
        let left = left.max(0).unsigned_abs();
        let mut used = self.left().saturating_sub(left);
        for url in self.urls.iter_mut().filter(|url| url.is_active) {
            let room = url.limit.0.saturating_sub(url.clicks.0).min(used);
            url.clicks.0 += room;
            used -= room;
        }
        let missing = left.saturating_sub(self.left());
        match self.urls.iter_mut().find(|url| url.is_active) {
            Some(url) if missing > 0 => url.limit.0 = url.limit.0.max(url.clicks.0) + missing,
            None if missing > 0 => self.add(missing),
            Some(_) | None => {}
        }
    }

    fn left(&self) -> u64 {
        self.urls.iter().filter(|url| url.is_active).map(|url| url.limit.0.saturating_sub(url.clicks.0)).sum()
    }

    fn add(&mut self, limit: u64) {
        self.last_id += 1;
        let id = UrlId(self.last_id);
        self.urls.push(UrlCount { id, limit: Clicks(limit), clicks: Clicks(0), is_active: true });
    }

    /// Changes the URLs as their owner does: a new one, one that is paused, resumed or finished, another limit. Returns how
    /// many clicks are left afterwards.
    pub(crate) fn change(&mut self, random: &mut Random) -> i64 {
        let which = usize::try_from(random.within(0..i64::try_from(self.urls.len()).unwrap_or(1))).unwrap_or(0);
        let clicks = random.within(500..25_000).unsigned_abs();
        match (random.within(0..10), self.urls.get_mut(which)) {
            (0, Some(url)) => url.is_active = false,
            (1, Some(url)) => url.is_active = true,
            (2, Some(url)) => url.clicks = url.limit,
            (3, Some(url)) => (url.clicks, url.is_active) = (url.limit, false),
            (4, Some(url)) => url.limit.0 += clicks,
            (5, Some(url)) => url.limit.0 = url.clicks.0 + (url.limit.0.saturating_sub(url.clicks.0)) / 2,
            _ => self.add(clicks),
        }
        i64::try_from(self.left()).unwrap_or(i64::MAX)
    }

    pub(crate) fn counts(&self) -> Vec<UrlCount> {
        self.urls.clone()
    }

    pub(crate) fn active(&self) -> u64 {
        self.urls.iter().filter(|url| url.is_active).count() as u64
    }
}
