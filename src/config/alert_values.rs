//! The parsers for the values of `[[alerts]]` and `[display]`. Each returns the value, or a message that says what to
//! write instead, as in `value`.

use std::collections::BTreeSet;
use std::time::Duration;

use chrono::NaiveTime;
use chrono_tz::{TZ_VARIANTS, Tz};
use url::Url;

use super::settings::suggestion;
use super::value::{LONGEST_TICK, Raw, duration_up_to, is_loopback};
use crate::alerts::receiver::QuietHours;
use crate::domain::occasion::{OccasionKind, UnknownOccasion};

/// The longest and the shortest time after which a receiver is reminded.
const LONGEST_REMINDER: Duration = Duration::from_hours(24 * 30);
const SHORTEST_REMINDER: Duration = Duration::from_mins(1);
/// The longest name of a receiver.
const LONGEST_RECEIVER_NAME: usize = 40;

/// Parses a receiver's name. It is part of the name of an environment variable.
pub(super) fn receiver_name(raw: &Raw) -> Result<String, String> {
    let is_name = |name: &&str| {
        let fits = |sign: char| sign.is_ascii_lowercase() || sign.is_ascii_digit() || sign == '-';
        !name.is_empty() && name.len() <= LONGEST_RECEIVER_NAME && name.chars().all(fits)
    };
    raw.text().filter(is_name).map(str::to_owned).ok_or_else(|| {
        format!("{raw} is not a receiver's name: write up to {LONGEST_RECEIVER_NAME} small letters, digits and `-`")
    })
}

/// Parses the address of a webhook. Its path may be a secret, so that no message repeats it.
pub(super) fn hook_url(raw: &Raw) -> Result<String, String> {
    let text = raw.text().ok_or("this is not text in quotes: write one like \"https://example.com/hook\"")?;
    checked_hook_url(text).map(|_| text.to_owned())
}

/// Returns the address of a webhook, if messages may be sent to it.
pub(super) fn checked_hook_url(text: &str) -> Result<Url, String> {
    let right = "write one like \"https://example.com/hook\"";
    let url = Url::parse(text).map_err(|error| format!("not a URL ({error}): {right}"))?;
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(url.host()) => Ok(url),
        "http" => Err(format!("http:// is for a loopback address only (localhost, 127.0.0.1, [::1]): {right}")),
        _ => Err(format!("the URL does not begin with https://: {right}")),
    }
}

/// Parses a command: a list of the program's path and its arguments. There is no shell, and no search for the program.
pub(super) fn command(raw: &Raw) -> Result<Vec<String>, String> {
    let right = "write a list of the program's whole path and its arguments, like [\"/usr/sbin/sendmail\", \"-t\"]";
    let words = raw.texts().ok_or_else(|| format!("{raw} is not a command: {right}"))?;
    let is_path = words.first().is_some_and(|program| program.starts_with('/'));
    if !is_path || words.iter().any(|word| word.contains('\0')) {
        return Err(format!("this is not a command: {right}"));
    }
    Ok(words.into_iter().map(str::to_owned).collect())
}

/// Parses the kinds of occasions; `None` for all of them.
pub(super) fn occasions(raw: &Raw) -> Result<Option<BTreeSet<OccasionKind>>, String> {
    let all = || OccasionKind::ALL.map(|kind| kind.to_string());
    let right = || format!("write [\"*\"] for all, or some of {}", all().join(", "));
    let words = raw.texts().ok_or_else(|| format!("{raw} is not a list of occasions: {}", right()))?;
    if words == ["*"] {
        return Ok(None);
    }
    if words.is_empty() {
        return Err(format!("the list is empty: {}", right()));
    }
    let kind = |word: &&str| {
        word.parse().map_err(|unknown: UnknownOccasion| {
            let meant =
                suggestion(word, all().iter().map(String::as_str)).map(|meant| format!("did you mean `{meant}`?"));
            format!("{unknown}; {}", meant.unwrap_or_else(right))
        })
    };
    words.iter().map(kind).collect::<Result<BTreeSet<OccasionKind>, String>>().map(Some)
}

/// Parses how long occasions are gathered.
pub(super) fn short_wait(raw: &Raw) -> Result<Duration, String> {
    duration_up_to(raw, LONGEST_TICK)
}

/// Parses the time after which a receiver is reminded.
pub(super) fn reminder(raw: &Raw) -> Result<Duration, String> {
    let wait = duration_up_to(raw, LONGEST_REMINDER)?;
    if wait < SHORTEST_REMINDER {
        return Err(format!("{raw} is too short: a receiver is reminded every minute at most, write one like \"4h\""));
    }
    Ok(wait)
}

/// Parses a time of day in the time zone of `[display]`.
pub(super) fn local_time(raw: &Raw) -> Result<NaiveTime, String> {
    let time = raw.text().and_then(|text| NaiveTime::parse_from_str(text, "%H:%M").ok());
    time.ok_or_else(|| format!("{raw} is not a time of day: write hours and minutes, like \"08:00\""))
}

/// Parses hours of the day, such as `22:00-07:00`.
pub(super) fn quiet_hours(raw: &Raw) -> Result<QuietHours, String> {
    let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
    let hours = raw.text().and_then(|text| text.split_once('-'));
    let hours = hours.and_then(|(from, to)| Some(QuietHours { from: time(from)?, to: time(to)? }));
    hours
        .filter(|hours| hours.from != hours.to)
        .ok_or_else(|| format!("{raw} are not hours of a day: write them like \"22:00-07:00\""))
}

/// Parses a time zone by its name in the IANA database.
pub(super) fn time_zone(raw: &Raw) -> Result<Tz, String> {
    let text = raw.text().ok_or_else(|| format!("{raw} is not text in quotes"))?;
    text.parse().map_err(|_| {
        let names = TZ_VARIANTS.iter().map(|zone| zone.name());
        let meant = suggestion(text, names).map(|meant| format!("did you mean \"{meant}\"?"));
        let meant = meant.unwrap_or_else(|| "write one like \"Europe/Berlin\"".to_owned());
        format!("{raw} is not a time zone; {meant}")
    })
}
