//! The day's budget under the policy `top-up` (RULES.md, "Top-up"): never above the ceiling, never below the spend, each
//! click is paid for once, and each wait is kept.

use std::collections::BTreeMap;

use traffic_generator::domain::action::{ActionKind, Trigger};
use traffic_generator::domain::budget::BudgetParts;
use traffic_generator::domain::event::Event;
use traffic_generator::domain::ids::UrlId;
use traffic_generator::domain::money::{Clicks, Money, UrlCount};
use traffic_generator::domain::phase::Phase;
use traffic_generator::domain::policy::HighSpend;
use traffic_generator::domain::remote::RemoteCampaign;
use traffic_generator::domain::spend::SpendReading;

use super::judge::{self, SpendClass};
use super::ledger::Ledger;
use super::shadow::{Facts, is_clock_far_off, past_day_end};
use super::world::{Place, Sent, Step, World};
use super::{Checker, Findings};
use crate::model::log::{Line, Restored, Seen, What};

/// `never-above-the-ceiling`, `never-below-the-spend`, `each-click-is-paid-once`, `budget-is-the-sum`, `wait-is-kept`,
/// `budget-needs-facts`, `first-budget-once-a-day`, `nothing-runs-on-a-used-up-budget`.
#[derive(Debug, Default)]
pub(super) struct Budgets {
    ledgers: BTreeMap<usize, Ledger>,
}

impl Checker for Budgets {
    fn line(&mut self, world: &World<'_>, index: usize, line: &Line, found: &mut Findings) {
        match &line.what {
            What::Stored { campaign, record } => {
                let Some(budget) = &record.budget else { return };
                let ledger = self.ledgers.entry(*campaign).or_default();
                if let Some(text) = ledger.wrongly_moved_wait(world, index, budget) {
                    found.report("wait-is-kept", index, format!("campaign {campaign}: {text}"));
                }
            }
            What::Started { campaigns } => campaigns.iter().for_each(|restored| self.restore(restored)),
            What::Enabled(restored) => self.restore(restored),
            What::NotStored { campaign } => self.ledgers.entry(*campaign).or_default().forget_first_budget(),
            What::Ends { .. } => {
                for (campaign, ledger) in &self.ledgers {
                    if let Some(text) =
                        world.place(*campaign).and_then(|place| ledger.never_topped_up(world, place, line))
                    {
                        found.report("top-up-comes", index, format!("campaign {campaign}: {text}"));
                    }
                }
            }
            _ => {}
        }
    }

    fn step(&mut self, world: &World<'_>, step: &Step<'_>, found: &mut Findings) {
        let Some(place) = world.place(step.campaign) else { return };
        let ledger = self.ledgers.entry(step.campaign).or_default();
        ledger.take_read(place, step);
        for sent in step.sent() {
            let case = Case { world, place, step, sent, ledger };
            match sent.request.kind {
                ActionKind::TopUp => case.check_top_up(found),
                ActionKind::DailyBudget => case.check_first_budget(found),
                ActionKind::Activate => case.check_activation(found),
                ActionKind::Pause | ActionKind::SetEndTime => {}
            }
        }
        ledger.take_step(place, step);
    }
}

impl Budgets {
    fn restore(&mut self, restored: &Restored) {
        self.ledgers.entry(restored.campaign).or_default().restore(restored.budget.as_ref());
    }
}

/// One request that is sent, and what is known of the day.
struct Case<'a, 'b> {
    world: &'b World<'a>,
    place: &'b Place<'a>,
    step: &'b Step<'a>,
    sent: Sent<'a>,
    ledger: &'b Ledger,
}

impl Case<'_, '_> {
    fn report(&self, checker: &'static str, text: &str, found: &mut Findings) {
        let Self { step, sent, ledger, .. } = self;
        let text =
            format!("campaign {}: {text}: {:?} for {:?}, by {ledger:?}", step.campaign, sent.request, sent.entry);
        found.report(checker, sent.line, text);
    }

    /// Returns the facts of the tick that decided it.
    fn facts(&self, found: &mut Findings) -> Option<(&Seen, &RemoteCampaign)> {
        let seen = self.step.seen.filter(|_| matches!(self.step.event, Event::Observed { .. }));
        let facts = seen.and_then(|seen| Some((seen, seen.remote.as_ref().ok()?)));
        if facts.is_none() {
            self.report("budget-needs-facts", "without a read of the campaign in the same tick", found);
        }
        facts
    }

    /// No budget is set in a cool-down, on a hold, from the day end to midnight, or with clocks that are far apart.
    fn check_moment(&self, seen: &Seen, found: &mut Findings) {
        let (step, place) = (self.step, self.place);
        let cools = matches!(place.phase, Phase::CoolingDown { until } if step.wall < until);
        let moments = [
            (cools, "in its cool-down"),
            (place.holding(step.wall).is_some(), "on a hold"),
            (past_day_end(&seen.policy, step.wall), "between the day end and midnight"),
            (is_clock_far_off(seen), "while the clocks are five minutes apart"),
            (seen.policy.high_spend != HighSpend::TopUp, "under another policy"),
        ];
        for (is_wrong, text) in moments {
            if is_wrong {
                self.report("budget-needs-facts", text, found);
            }
        }
    }

    fn check_top_up(&self, found: &mut Findings) {
        let Some((seen, campaign)) = self.facts(found) else { return };
        self.check_moment(seen, found);
        let (amount, policy) = (self.sent.request.max_daily, &seen.policy);
        let spend = judge::spend(seen, self.step.wall);
        let from_api = [Some(&campaign.spent_today), seen.report.as_ref()].into_iter().flatten();
        let from_api = from_api.filter(|reading| matches!(reading, SpendReading::Value(_))).count() > 0;
        let Some(spend) = spend.filter(|_| from_api) else {
            return self.report("budget-needs-facts", "without a spend from TrafficStars", found);
        };
        let Some(standing) = campaign.max_daily else {
            return self.report("budget-needs-facts", "without a readable budget", found);
        };
        let Some(price) =
            policy.price_per_thousand.or(campaign.price_per_thousand).filter(|price| *price > Money::ZERO)
        else {
            return self.report("budget-needs-facts", "without a price", found);
        };
        let Some(ceiling) = policy.top_up_ceiling else {
            return self.report("never-above-the-ceiling", "without a ceiling", found);
        };
        if amount > ceiling {
            self.report("never-above-the-ceiling", &format!("the ceiling is {ceiling}"), found);
        }
        if amount <= spend || amount <= standing {
            let text = format!("the spend is {spend}, and {standing} stands there");
            self.report("never-below-the-spend", &text, found);
        }
        let Some(parts) = self.sent.entry.and_then(|entry| entry.budget.as_ref()).map(|budget| &budget.parts) else {
            return self.report("budget-is-the-sum", "without the parts of its sum", found);
        };
        self.check_parts(seen, parts, found);
        let is_first = self.ledger.paid().is_none();
        let clicks = parts.clicks.unwrap_or_default();
        let wanted =
            sum(if is_first { spend } else { standing.max(spend) }, clicks, price, if is_first { CENT } else { KEPT });
        if wanted.map(|wanted| wanted.min(ceiling)) != Some(amount) {
            let text = format!("the sum is {wanted:?}, of {spend}, {standing}, {clicks} clicks at {price}");
            self.report("budget-is-the-sum", &text, found);
        }
        if let Some(text) = self.ledger.too_early(self.world, self.place, self.step, seen) {
            self.report("wait-is-kept", &text, found);
        }
    }

    /// Each URL is paid for once: at first what is left of the active ones; later their whole limits.
    fn check_parts(&self, seen: &Seen, parts: &BudgetParts, found: &mut Findings) {
        let named: u64 = parts.urls.iter().map(|part| part.clicks.0).sum();
        if parts.clicks != Some(Clicks(named)) {
            self.report("budget-is-the-sum", "its URLs are not the sum of its clicks", found);
        }
        let urls = seen.clicks.as_ref().ok().and_then(|clicks| clicks.urls.as_ref());
        let Some(urls) = urls else { return self.report("budget-needs-facts", "without its URLs", found) };
        match self.ledger.paid() {
            None => {
                let left: BTreeMap<UrlId, u64> = urls.iter().filter(|url| url.is_active).filter_map(left).collect();
                let paid: BTreeMap<UrlId, u64> = parts.urls.iter().map(|part| (part.url, part.clicks.0)).collect();
                if left != paid {
                    self.report("each-click-is-paid-once", &format!("{left:?} are left"), found);
                }
            }
            Some(paid) => {
                for part in &parts.urls {
                    let (before, most) =
                        (paid.get(&part.url).copied().unwrap_or(0), self.ledger.highest_limit(part.url));
                    if before + part.clicks.0 > most {
                        let text = format!("of URL {}, {before} are paid for, and its limit was {most}", part.url);
                        self.report("each-click-is-paid-once", &text, found);
                    }
                }
                for (url, clicks) in self.ledger.unpaid(urls) {
                    let part = parts.urls.iter().find(|part| part.url == url).map_or(0, |part| part.clicks.0);
                    if part < clicks {
                        let text = format!("{clicks} clicks of URL {url} are gathered");
                        self.report("each-click-is-paid-once", &text, found);
                    }
                }
            }
        }
    }

    fn check_first_budget(&self, found: &mut Findings) {
        let Some((seen, campaign)) = self.facts(found) else { return };
        self.check_moment(seen, found);
        let facts = Facts::of(seen, self.step.wall);
        let reached = !matches!(facts.spend, SpendClass::Below | SpendClass::Unknown);
        let checks = [
            (seen.policy.daily_budget != Some(self.sent.request.max_daily), "another amount than daily_budget"),
            (campaign.max_daily == seen.policy.daily_budget, "it stands there already"),
            (reached, "the day's limit is reached"),
            (self.ledger.paid().is_some(), "the day's real budget is set"),
            (self.ledger.has_first_budget(), "the day has had its first budget"),
        ];
        for (is_wrong, text) in checks {
            if is_wrong {
                self.report("first-budget-once-a-day", text, found);
            }
        }
    }

    /// From the limit on nothing is activated before the day's real budget is set.
    fn check_activation(&self, found: &mut Findings) {
        let Some(seen) = self.step.seen.filter(|seen| seen.policy.high_spend == HighSpend::TopUp) else { return };
        let is_ordered = self.sent.entry.is_some_and(|entry| entry.trigger == Trigger::Force);
        let is_reached = Facts::of(seen, self.step.wall).spend == SpendClass::Above;
        if is_reached && !is_ordered && self.ledger.paid().is_none() {
            self.report("nothing-runs-on-a-used-up-budget", "activated before its budget is set", found);
        }
    }
}

/// Returns a URL's clicks that are left, unless there are none.
fn left(url: &UrlCount) -> Option<(UrlId, u64)> {
    let left = url.limit.0.saturating_sub(url.clicks.0);
    (left > 0).then_some((url.id, left))
}

const CENT: i128 = 10_000;
/// The smallest step that TrafficStars keeps.
const KEPT: i128 = 100;

/// Returns an amount with the price of clicks, rounded up to `step` millionths.
fn sum(to: Money, clicks: Clicks, price: Money, step: i128) -> Option<Money> {
    let exact = i128::from(to.micros()) * 1_000 + i128::from(clicks.0) * i128::from(price.micros());
    let steps = exact.div_euclid(1_000 * step) + i128::from(exact.rem_euclid(1_000 * step) > 0);
    i64::try_from(steps * step).ok().and_then(Money::from_micros)
}
