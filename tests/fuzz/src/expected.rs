//! The targets' own judgement of inputs and texts. It shares no code with the program.

use std::error::Error;

use serde_json::{Number, Value};

/// The most characters of an error: a sentence or two, and a bounded quotation of the input.
const MOST_SHOWN_CHARACTERS: usize = 600;

/// Checks a text that operators see: of bounded length, and without characters that harm a terminal or break a log
/// line.
#[track_caller]
pub(crate) fn assert_fit_to_show(text: &str) {
    assert!(text.chars().count() <= MOST_SHOWN_CHARACTERS, "{} characters: {text}", text.chars().count());
    assert!(!text.contains(char::is_control), "a control character in {text:?}");
    let turns = "\u{61c}\u{200e}\u{200f}\u{2028}\u{2029}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\
                 \u{2066}\u{2067}\u{2068}\u{2069}";
    assert!(!text.contains(|letter| turns.contains(letter)), "a character that turns the text in {text:?}");
}

/// Checks the same, and that the text has no e-mail address and none of the personal data that targets insert.
#[track_caller]
pub(crate) fn assert_names_no_person(text: &str) {
    assert_fit_to_show(text);
    let mut letters = text.chars().zip(text.chars().skip(1)).zip(text.chars().skip(2));
    let address =
        letters.find(|((before, at), after)| *at == '@' && before.is_alphanumeric() && after.is_alphanumeric());
    assert!(address.is_none(), "an address in {text:?}");
    assert!(!PLANTED.iter().any(|planted| text.contains(planted)), "personal data in {text:?}");
}

/// The personal data that targets insert into answers: as `user` objects and in addresses.
pub(crate) const PLANTED: [&str; 3] = ["Planted Person", "+15550199", "planted.person"];

/// Returns an error with all its causes.
pub(crate) fn in_full(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Returns the micro-units of an amount in plain decimals, cut off after the sixth. `None` for any other text, or for
/// more than 63 bits.
pub(crate) fn micros_of_text(text: &str) -> Option<i64> {
    let text = text.trim();
    let text = text.strip_prefix('$').unwrap_or(text);
    let (units, decimals) = match text.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (text, ""),
    };
    let is_digits = |part: &str| part.chars().all(|letter| letter.is_ascii_digit());
    if units.is_empty() || !is_digits(units) || !is_digits(decimals) {
        return None;
    }
    let digits = units.bytes().chain(decimals.bytes().chain(std::iter::repeat(b'0')).take(6));
    digits.map(|digit| i64::from(digit - b'0')).try_fold(0_i64, |sum, digit| sum.checked_mul(10)?.checked_add(digit))
}

/// The currencies that an answer may have beside an amount.
const CURRENCIES: &str = "$ € £ ¥ ₹ ₽ ₴ ₺ ₩ USD EUR GBP JPY CNY CHF CAD AUD INR RUB UAH TRY KRW";

/// Returns the micro-units of an amount in an answer: from its first to its last digit, with one currency before or
/// after.
fn micros_of_amount(text: &str) -> Option<i64> {
    let is_digit = |letter: char| letter.is_ascii_digit();
    let (first, last) = (text.find(is_digit)?, text.rfind(is_digit)?);
    let beside = match (text.get(..first)?.trim(), text.get(last + 1..)?.trim()) {
        (before, "") => before,
        ("", behind) => behind,
        _ => return None,
    };
    let is_known = beside.is_empty() || CURRENCIES.split(' ').any(|currency| currency == beside);
    micros_of_text(text.get(first..=last)?).filter(|_| is_known)
}

/// Whether a JSON number means `micros`, within the precision of its type.
pub(crate) fn is_amount_of_number(number: &Number, micros: i64) -> bool {
    if let Some(whole) = number.as_u64() {
        return i128::from(whole) * 1_000_000 == i128::from(micros);
    }
    // A double's precision is 2^-52 of the amount.
    let float = number.as_f64().unwrap_or(f64::NAN) * 1e6;
    let tolerance = 1.0 + float.abs() / 2_f64.powi(50);
    float.is_sign_positive() && (float - micros as f64).abs() <= tolerance
}

/// Whether a JSON value means `micros`.
pub(crate) fn is_amount(value: &Value, micros: i64) -> bool {
    micros >= 0
        && match value {
            Value::Number(number) => is_amount_of_number(number, micros),
            Value::String(text) => micros_of_amount(text) == Some(micros),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        }
}

/// Whether a JSON value, rounded half up to cents, means `micros`.
pub(crate) fn is_amount_in_cents(value: &Value, micros: i64) -> bool {
    let in_cents = |exact: i64| Some(exact.checked_add(5_000)? / 10_000 * 10_000);
    micros >= 0
        && match value {
            Value::Number(number) => {
                let float = number.as_f64().unwrap_or(f64::NAN) * 1e6;
                (float - micros as f64).abs() <= 5_001.0 + float.abs() / 2_f64.powi(50)
            }
            Value::String(text) => micros_of_text(text).is_some_and(|exact| in_cents(exact).unwrap_or(exact) == micros),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => false,
        }
}

/// Returns year, month, day, hour, minute and second of an end time, which has to be in one of the three known forms.
pub(crate) fn parts_of_end_time(text: &str) -> Option<[u32; 6]> {
    const FORMS: [(&str, [usize; 6]); 3] = [
        ("0000-00-00 00:00:00", [0, 5, 8, 11, 14, 17]),
        ("0000-00-00T00:00:00Z", [0, 5, 8, 11, 14, 17]),
        ("00-00-0000 00:00", [6, 3, 0, 11, 14, usize::MAX]),
    ];
    let text = text.trim();
    let fits = |form: &str| {
        form.len() == text.len()
            && form.bytes().zip(text.bytes()).all(|(form, byte)| match form {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
    };
    let (_, starts) = FORMS.into_iter().find(|(form, _)| fits(form))?;
    let number =
        |start: usize, length: usize| text.get(start..start + length).map_or(Some(0), |part| part.parse().ok());
    let [year, month, day, hour, minute, second] = starts;
    let second = if second == usize::MAX { Some(0) } else { number(second, 2) };
    Some([number(year, 4)?, number(month, 2)?, number(day, 2)?, number(hour, 2)?, number(minute, 2)?, second?])
}
