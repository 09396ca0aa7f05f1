//! Money, clicks, and the numbers of a policy.

use super::*;
use crate::domain::money::MoneyError;
use crate::domain::policy::{HighSpend, Mode, PolicyError};

#[test]
fn money_is_read_to_the_millionth_and_printed_with_two_decimals_or_as_many_as_it_has() {
    let cases = [
        ("0", 0, "0.00"),
        ("0.00", 0, "0.00"),
        ("10", 10_000_000, "10.00"),
        ("10.00", 10_000_000, "10.00"),
        ("9.999999", 9_999_999, "9.999999"),
        ("9.9999999", 9_999_999, "9.999999"),
        ("66.270003", 66_270_003, "66.270003"),
        ("0.33135", 331_350, "0.33135"),
        ("32.5", 32_500_000, "32.50"),
        ("$12.34", 12_340_000, "12.34"),
        (" 12.34 ", 12_340_000, "12.34"),
        ("0.000001", 1, "0.000001"),
        ("007", 7_000_000, "7.00"),
        ("9223372036854.775807", i64::MAX, "9223372036854.775807"),
    ];
    for (text, micros, printed) in cases {
        let amount = money(text);
        assert_eq!((amount.micros(), amount.to_string()), (micros, printed.to_owned()), "{text}");
        assert_eq!(money(printed), amount, "{printed} reads back");
    }
}

#[test]
fn a_text_that_is_no_amount_is_refused_and_quoted() {
    for text in [
        "", " ", "$", "-1", "+1", "-0.01", "1e3", "NaN", "inf", "1,000.00", ".5", "5.", "1.2.3", "12 USD", "$$1",
        "1.2e", "١",
    ] {
        assert_eq!(text.parse::<Money>(), Err(MoneyError::NotDecimal(text.to_owned())), "`{text}`");
    }
    for text in ["9223372036854.775808", "9223372036855", "99999999999999999999999"] {
        assert_eq!(text.parse::<Money>(), Err(MoneyError::TooLarge(text.to_owned())), "`{text}`");
    }
}

#[test]
fn an_amount_may_have_one_known_currency_beside_it() {
    for text in [
        "12.34",
        " 12.34 ",
        "$12.34",
        "$ 12.34",
        "12.34$",
        "€12.34",
        "12.34 €",
        "12.34\u{a0}€",
        "£12.34",
        "¥12.34",
        "USD 12.34",
        "USD12.34",
        "12.34 EUR",
        "12.34EUR",
    ] {
        assert_eq!(Money::with_currency(text), Ok(money("12.34")), "`{text}`");
    }
    for text in [
        "$",
        "EUR",
        "$$1",
        "$1$",
        "€1 EUR",
        "$-1",
        "-$1",
        "1,00 €",
        "12¢",
        "12 CTS",
        "12 clicks",
        "12 usd",
        "0x12",
        "$.5",
        "%12",
    ] {
        assert_eq!(Money::with_currency(text), Err(MoneyError::NotDecimal(text.to_owned())), "`{text}`");
    }
    assert_eq!(Money::with_currency("€9223372036855"), Err(MoneyError::TooLarge("€9223372036855".to_owned())));
}

#[test]
fn only_an_answers_amount_may_have_any_currency() {
    for text in ["€12.34", "12.34 EUR", "12.34$", "$ 12.34"] {
        assert_eq!(text.parse::<Money>(), Err(MoneyError::NotDecimal(text.to_owned())), "`{text}`");
    }
}

#[test]
fn money_is_never_negative_and_sums_are_checked() {
    assert_eq!(Money::from_micros(-1), None);
    assert_eq!(Money::from_micros(0), Some(Money::ZERO));
    assert_eq!(money("1.5").checked_add(money("2.25")), Some(money("3.75")));
    assert_eq!(money("9223372036854.775807").checked_add(money("0.000001")), None);
}

#[test]
fn clicks_are_printed_in_groups_of_three() {
    for (count, printed) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (15_000, "15,000"),
        (123_456, "123,456"),
        (1_234_567, "1,234,567"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        assert_eq!(Clicks(count).to_string(), printed);
    }
    assert_eq!(format!("{:>8}", Clicks(1_000)), "   1,000");
}

#[test]
fn an_invalid_policy_is_refused() {
    type Change = fn(&mut PolicyNumbers);
    let accepted: [Change; 6] = [
        |_| {},
        // Without the policy `guard` they have no effect.
        |numbers| numbers.high_activate_clicks = Some(Clicks(5_000)),
        |numbers| numbers.activate_clicks = Clicks(5_001),
        |numbers| numbers.high_activate_clicks = Some(Clicks(5_001)),
        |numbers| numbers.tick = Duration::milliseconds(100),
        |numbers| numbers.cooldown = Duration::zero(),
    ];
    for change in accepted {
        let mut numbers = PolicyNumbers::default();
        change(&mut numbers);
        assert!(numbers.clone().validate().is_ok(), "{numbers:?}");
    }
    let refused: [(Change, PolicyError); 9] = [
        (
            |numbers| numbers.activate_clicks = Clicks(5_000),
            PolicyError::ThresholdsMeet { activate: Clicks(5_000), pause: Clicks(5_000) },
        ),
        (
            |numbers| {
                (numbers.high_spend, numbers.high_activate_clicks) = (HighSpend::Guard, Some(Clicks(5_000)));
            },
            PolicyError::HighThresholdsMeet { activate: Clicks(5_000), pause: Clicks(5_000) },
        ),
        (
            |numbers| {
                (numbers.high_spend, numbers.high_pause_clicks) = (HighSpend::Guard, Some(Clicks(15_000)));
            },
            PolicyError::HighThresholdsMeet { activate: Clicks(15_000), pause: Clicks(15_000) },
        ),
        (
            |numbers| {
                (numbers.high_spend, numbers.high_activate_clicks) = (HighSpend::Guard, Some(Clicks(20_000)));
                numbers.implausible_clicks = Some(Clicks(20_000));
            },
            PolicyError::ImplausibleTooLow { implausible: Clicks(20_000), activate: Clicks(20_000) },
        ),
        (|numbers| numbers.tick = Duration::milliseconds(99), PolicyError::TickTooShort),
        (|numbers| numbers.cooldown = Duration::milliseconds(-1), PolicyError::Negative { key: "cooldown" }),
        (
            |numbers| numbers.contested_backoff = Some(Duration::seconds(-1)),
            PolicyError::Negative { key: "contested_backoff" },
        ),
        (|numbers| numbers.cooldown = Duration::MAX, PolicyError::TooLong { key: "cooldown" }),
        (|numbers| numbers.tick = Duration::MAX, PolicyError::TooLong { key: "tick" }),
    ];
    for (change, error) in refused {
        let mut numbers = PolicyNumbers::default();
        change(&mut numbers);
        assert_eq!(numbers.validate(), Err(error));
    }
}

#[test]
fn the_words_of_a_policy_are_those_of_the_config_file() {
    assert_eq!("act".parse(), Ok(Mode::Act));
    assert_eq!("observe".parse(), Ok(Mode::Observe));
    assert_eq!("observe".parse(), Ok(HighSpend::Observe));
    assert!("Act".parse::<Mode>().unwrap_err().to_string().contains("`Act` is not one of: act, observe"));
    for policy in HighSpend::ALL {
        assert_eq!(policy.as_str().parse(), Ok(policy));
    }
    for word in ["topup", "", "Guard"] {
        assert!(word.parse::<HighSpend>().unwrap_err().to_string().contains("observe, guard, pause, top-up"));
    }
    for word in PhaseWord::ALL {
        assert_eq!(word.as_str().parse(), Ok(word));
    }
}
