//! The script of the demo: the campaigns, and what happens at which time. The times fit a tick of 2 s and a cool-down
//! of 10 s.

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, NaiveTime, Utc};
use sandbox::{Amount, CampaignSpec, Interference, Operation, Sandbox, Tracker, TrackerError};

const SHOES: i64 = 1001;
const TRAVEL: i64 = 1002;
const GAMES: i64 = 1003;
const WATCHES: i64 = 1004;
const BOOKS: i64 = 1005;
const FLIGHTS: i64 = 1006;
const HATS: i64 = 1007;
const SCARVES: i64 = 1008;

/// The text that is printed before the demo begins.
pub(super) const INTRODUCTION: &str = "\
The guard follows its normal rules. It runs a campaign at 15,000 remaining clicks or more, and pauses it at 5,000
or fewer. It changes nothing from 10.00 of today's spend on, unless another policy was chosen. It keeps a campaign
stopped for a while after each pause. Only the times are shorter: a tick of 2 s instead of a minute, a cool-down of
10 s instead of 2 minutes, a wait of 10 s instead of 10 minutes before a top-up.
  1001 shoes    paused,  18,000 clicks remain, many visitors: it will run, use up its clicks, and be paused
  1002 travel   paused,  40,000 clicks remain, few visitors: it will run; somebody will stop it by hand
  1003 games    paused,   4,000 clicks remain: it is kept stopped; somebody will start it by hand
  1004 watches  running, 30,000 clicks remain, 9.40 spent and rising: from 10.00 on it is left as it is
  1005 books    unapproved at TrafficStars: it is blocked, so that it cannot run
  1006 flights  running, 60,000 clicks remain, 9.60 spent of a daily budget of 10.15, policy top-up: at 10.00 it is
                paused, gets the day's real budget, and runs on
  1007 hats     running, 30,000 clicks remain, 3.00 spent and rising; its group has a limit of 8.00 with
  1008 scarves  running, 30,000 clicks remain, 2.00 spent and rising: the limit will pause both
The guard starts now. Ctrl-C ends the demo at any time.";

/// Returns commands to try while the demo runs. `guard` is the beginning of their command lines.
pub(super) fn invitation(guard: &str) -> String {
    format!(
        "In another terminal, meanwhile:\n  {guard} top\n  {guard} explain 1\n  {guard} hold 2 --pause --reason \"a try\""
    )
}

/// The last text of the demo.
pub(super) const WHAT_NEXT: &str = "\
Next: `cargo run -p sandbox -- serve` runs the same TrafficStars for a supervisor of your own; see README.md, \
\"Guard your own campaigns\".";

/// An event of the script.
pub(super) struct Beat {
    /// The time of the event, counted from the start.
    pub(super) at: Duration,
    /// The campaign's id at TrafficStars.
    pub(super) campaign: i64,
    /// What happens to the campaign.
    pub(super) act: Act,
    /// The line that is printed.
    pub(super) say: &'static str,
    /// The request by which the guard should undo the event. `None` if it should not.
    pub(super) undone_by: Option<Operation>,
}

/// What happens to a campaign.
pub(super) enum Act {
    /// Nothing is changed: the printed line explains what the viewer sees.
    Look,
    /// Somebody switches the campaign on at TrafficStars, and removes the end time that would keep it stopped.
    Start,
    /// Somebody switches the campaign off.
    Stop,
    /// Somebody sets the end time to now.
    EndNow,
    /// TrafficStars approves the campaign, which stays switched off.
    Approve,
    /// The campaign's owner adds a URL with this number of clicks.
    AddUrl(i64),
}

impl Act {
    /// Returns the changes at TrafficStars that belong to this act.
    pub(super) fn interferences(&self, now: DateTime<Utc>) -> Vec<Interference> {
        match self {
            Self::Start => vec![Interference::SetEndTime(None), Interference::Start],
            Self::Stop => vec![Interference::Stop],
            Self::EndNow => vec![Interference::SetEndTime(Some(now.format("%Y-%m-%d %H:%M:%S").to_string()))],
            Self::Approve => {
                let approved = Interference::SetApproved("approved".to_owned());
                vec![approved, Interference::SetStatus("paused".to_owned())]
            }
            Self::Look | Self::AddUrl(_) => Vec::new(),
        }
    }
}

/// Returns the events in the order of their times.
pub(super) fn beats() -> Vec<Beat> {
    let beat =
        |second, campaign, act, say, undone_by| Beat { at: Duration::from_secs(second), campaign, act, say, undone_by };
    let (run, pause) = (Some(Operation::Run), Some(Operation::Pause));
    vec![
        beat(
            10,
            FLIGHTS,
            Act::Look,
            "Flights reaches 10.00: it is paused until its spend is up to date, and then topped up.",
            None,
        ),
        beat(
            14,
            WATCHES,
            Act::Look,
            "By now watches has spent 10.00: high spend, so the guard changes nothing from here on.",
            None,
        ),
        beat(20, TRAVEL, Act::Stop, "Somebody pauses travel by hand at TrafficStars. It was promised to run.", run),
        beat(25, GAMES, Act::AddUrl(5_000), "The owner of games adds a URL: 9,000 clicks, not enough to run.", None),
        beat(35, GAMES, Act::Start, "Somebody starts games by hand. It was promised to be stopped.", pause),
        beat(
            45,
            FLIGHTS,
            Act::AddUrl(10_000),
            "The owner of flights adds a URL: soon its budget is raised for it.",
            None,
        ),
        beat(50, SHOES, Act::AddUrl(14_000), "The owner of shoes adds a URL: above 15,000 clicks again.", run),
        beat(
            55,
            HATS,
            Act::Look,
            "By now hats and scarves have spent 8.00 together: the limit of their group pauses both.",
            None,
        ),
        beat(60, WATCHES, Act::Stop, "Somebody pauses watches. Above 10.00 the guard does not undo that.", None),
        beat(70, TRAVEL, Act::EndNow, "Somebody lets the schedule of travel end now.", run),
        beat(85, BOOKS, Act::Approve, "TrafficStars approves books: it can run now.", run),
        beat(100, GAMES, Act::Start, "Somebody starts games by hand once more.", pause),
        beat(110, SHOES, Act::AddUrl(14_000), "The owner of shoes adds one more URL.", run),
    ]
}

/// The settings of a campaign that begins its day with a small budget: amounts in millionths.
const TOP_UP: &str = "high_spend = 'top-up', price_per_thousand_micros = 111000, top_up_ceiling_micros = 60000000, \
                      daily_budget_micros = 10150000, high_activate_clicks = 5000, high_pause_clicks = 1000";

/// Adds the demo's campaigns at TrafficStars and to the guard's database.
pub(super) fn set_up(sandbox: &Sandbox, database: &Path) -> Result<Tracker, TrackerError> {
    let with_traffic = |spec: CampaignSpec, name: &str, spend_cents, clicks_per_second| CampaignSpec {
        name: name.to_owned(),
        spend_per_second: Amount::cents(spend_cents),
        clicks_per_second,
        ..spec
    };
    let first_budget = CampaignSpec { max_daily: Amount::cents(1_015), ..CampaignSpec::running(FLIGHTS) };
    let unapproved = CampaignSpec { active: false, ..CampaignSpec::blocked(BOOKS) };
    let cast = [
        (with_traffic(CampaignSpec::paused(SHOES).spent(Amount::cents(120)), "shoes", 2, 600), 18_000),
        (with_traffic(CampaignSpec::paused(TRAVEL).spent(Amount::cents(40)), "travel", 1, 20), 40_000),
        (with_traffic(CampaignSpec::paused(GAMES), "games", 1, 50), 4_000),
        (with_traffic(CampaignSpec::running(WATCHES).spent(Amount::cents(940)), "watches", 5, 20), 30_000),
        (with_traffic(unapproved, "books", 1, 20), 30_000),
        (with_traffic(first_budget.spent(Amount::cents(960)), "flights", 5, 200), 60_000),
        (with_traffic(CampaignSpec::running(HATS).spent(Amount::cents(300)), "hats", 4, 30), 30_000),
        (with_traffic(CampaignSpec::running(SCARVES).spent(Amount::cents(200)), "scarves", 3, 30), 30_000),
    ];
    let mut tracker = Tracker::open(database)?;
    for (spec, clicks) in cast {
        tracker.add_campaign(&spec.name, spec.id, true)?;
        tracker.add_url(spec.id, &format!("{}-1", spec.name), clicks)?;
        sandbox.add_campaign(spec);
    }
    tracker.set_campaign(FLIGHTS, TOP_UP)?;
    for id in [HATS, SCARVES] {
        tracker.set_campaign(id, "group_name = 'winter'")?;
    }
    Ok(tracker)
}

/// Returns the warning for a demo that runs around midnight, if it does.
pub(super) fn warning(now: DateTime<Utc>, length: Duration) -> Option<&'static str> {
    let day_end = NaiveTime::from_hms_opt(23, 59, 0).map(|time| now.date_naive().and_time(time).and_utc())?;
    (now + length >= day_end).then_some(
        "It is nearly midnight UTC: from 23:59 to 24:00 the guard activates nothing, so this demo will look different.",
    )
}

#[cfg(test)]
mod tests {
    use super::{SHOES, beats, set_up, warning};
    use std::time::Duration;

    #[test]
    fn the_beats_are_in_order_and_fit_into_two_minutes() {
        let times: Vec<Duration> = beats().iter().map(|beat| beat.at).collect();
        assert!(times.is_sorted());
        assert!(times.last() < Some(&Duration::from_secs(120)));
    }

    #[test]
    fn only_near_midnight_there_is_a_warning() {
        let warned = |now: &str| warning(now.parse().unwrap(), Duration::from_secs(150)).is_some();
        assert_eq!([warned("2026-11-22T23:56:00Z"), warned("2026-11-22T23:57:00Z")], [false, true]);
    }

    #[test]
    fn without_the_guards_tables_nothing_is_set_up() {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = sandbox::Sandbox::start_in_thread(sandbox::Options::default()).unwrap();
        assert!(set_up(&sandbox, &folder.path().join("none.db")).is_err());
        assert_eq!(sandbox.campaign(SHOES), None);
    }
}
