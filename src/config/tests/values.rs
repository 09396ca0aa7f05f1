//! Values that are refused or accepted, one key at a time.

use super::{assert_accepted, assert_refused};

#[test]
fn a_bad_value_is_refused_with_a_message_that_says_what_to_write() {
    for (section, key, value, expected) in [
        ("database", "url", "5", "write sqlite://FILE or postgres://USER@HOST/NAME"),
        ("database", "url", r#""traffic.db""#, "write it as sqlite://"),
        ("database", "url", r#""mysql://root@db/x""#, "`mysql://` is unknown"),
        ("database", "url", r#""sqlite://""#, "sqlite:// must be followed by the path"),
        ("database", "url", r#""sqlite://:memory:""#, "sqlite:// needs a file"),
        ("database", "password_file", "5", "write the path of a file"),
        ("database", "keep_history", "90", "90 is not text in quotes: write a duration like \"90d\""),
        ("database", "keep_history", r#""forever""#, "\"forever\" is not a duration: write a duration like \"90d\""),
        ("control", "socket", r#""""#, "write the path of a file"),
        ("control", "mode", "0o600", "octal digits in quotes, like \"0600\""),
        ("control", "mode", r#""0800""#, "\"0800\" is not a file mode"),
        ("control", "mode", r#""1777""#, "\"1777\" is not a file mode"),
        ("trafficstar", "base_url", r#""http://api.trafficstars.com""#, "loopback address only"),
        ("trafficstar", "base_url", r#""http://localhost.example.com""#, "loopback address only"),
        ("trafficstar", "base_url", r#""ftp://api.trafficstars.com""#, "ftp: is not https://"),
        ("trafficstar", "base_url", r#""api.trafficstars.com""#, "not a URL"),
        ("trafficstar", "base_url", r#""https://api.trafficstars.com/?x=1""#, "`?` or `#`"),
        ("trafficstar", "base_url", r#""https://api.trafficstars.com/v1""#, "remove `/v1` from the URL"),
        ("trafficstar", "base_url", r#""https://example.com/api/v1.1/""#, "remove `/v1.1` from the URL"),
        ("trafficstar", "api_key_file", "false", "write the path of a file"),
        ("trafficstar", "requests_per_minute", r#""90""#, "whole number from 1 to 4294967295 (without quotes)"),
        ("trafficstar", "timeout", "15", "15 is not text in quotes: write a duration like \"90s\""),
        ("generator", "tick", r#""30""#, "\"30\" is not a duration: write a duration like \"90s\""),
        ("generator", "cooldown", r#""-2m""#, "\"-2m\" is not a duration"),
        ("generator", "cooldown", r#""10000000000 years""#, "too long: at most 1day"),
        ("generator", "cooldown", r#""99999999999999999999s""#, "too long: at most 1day"),
        ("generator", "tick", r#""365days""#, "too long: at most 1h"),
        ("control", "mode", r#""0666""#, "lets every user of this machine spend money: write \"0660\""),
        ("generator", "spend_limit", r#""0.00""#, "is always reached, so no campaign would be guarded"),
        ("generator", "spend_limit", "10.00", "write it like \"10.00\""),
        ("generator", "spend_limit", r#""-1""#, "is not an amount: write it like 10.00"),
        ("generator", "spend_limit", r#""9999999999999999""#, "too large for this program"),
        ("generator", "high_activate_clicks", "5000", "(5,000) must be above high_pause_clicks (5,000)"),
        ("generator", "high_pause_clicks", "15000", "high_activate_clicks (15,000) must be above"),
        ("generator", "pause_clicks", "1.5", "a number with a fraction is not a whole number"),
        ("generator", "pause_clicks", "99999999999999999999", "a number of more than 64 bits"),
        ("generator", "day_end", r#""24:00""#, "from \"00:01\" to \"23:59\""),
        ("generator", "day_end", r#""9:30""#, "from \"00:01\" to \"23:59\""),
        ("generator", "day_end", "23:59:00", "a date or time without quotes"),
        ("generator", "warn_at", r#""100%""#, "is not a part of the limit"),
        ("generator", "warn_at", "80", "is not a part of the limit: write it like \"80%\""),
        ("generator", "top_up_wait", r#""12""#, "write a duration like"),
        ("generator", "price_per_thousand", r#""-0.111""#, "is not an amount: write it like 10.00"),
        ("generator", "top_up_ceiling", r#""10.00""#, "must be above spend_limit (10.00)"),
        ("generator", "daily_budget", r#""9.99""#, "must not be below spend_limit (10.00)"),
        ("generator", "high_spend", r#""obsrve""#, "is not one of: observe"),
        ("generator", "mode", r#""dry-run""#, "is not one of: act, observe"),
        ("generator", "adopt_sets_end_time", r#""yes""#, "neither true nor false"),
        ("generator", "contested_after", "[]", "a list is not a whole number"),
        ("generator", "contested_backoff", "{}", "a section is not text in quotes"),
        ("metrics", "listen", r#""0.0.0.0:9464""#, "can be reached from other machines"),
        ("metrics", "listen", r#""192.0.2.7:9464""#, "can be reached from other machines"),
        ("metrics", "listen", r#""localhost:9464""#, "is not an address: write an address of this machine with a port"),
        ("metrics", "listen", r#""127.0.0.1""#, "is not an address"),
        ("metrics", "listen", r#""127.0.0.1:0""#, "is not an address"),
        ("metrics", "listen", "9464", "is not an address"),
        ("metrics", "per_campaign", r#""true""#, "neither true nor false"),
        ("log", "filter", r#""inof""#, "for the level write \"info\""),
        ("log", "filter", r#""traffic_generator=loud""#, "is not a log filter"),
        ("log", "filter", r#""audi=off""#, "it matches no line of the program"),
        ("log", "filter", r#""blah""#, "it matches no line of the program"),
        ("log", "filter", r#""traffic_generatr=debug,h2=warn""#, "it matches no line of the program"),
        ("log", "filter", r#""""#, "is not a log filter"),
        ("log", "format", r#""xml""#, "is not one of: text, json"),
        ("log", "format", r#""a\nb\u001b[31m""#, r"a\nb"),
    ] {
        assert_refused(section, key, value, expected);
    }
}

#[test]
fn a_range_includes_its_first_and_last_value() {
    for (section, key, inside, outside) in [
        ("generator", "tick", r#""100ms""#, r#""99ms 999us""#),
        ("generator", "tick", r#""1h""#, r#""1h 1ns""#),
        ("trafficstar", "timeout", r#""5m""#, r#""5m 1ns""#),
        ("trafficstar", "confirm_within", r#""15m""#, r#""15m 1ns""#),
        ("database", "keep_history", r#""1d""#, r#""23h 59m 59s""#),
        ("database", "keep_history", r#""36500d""#, r#""36501d""#),
        ("generator", "day_end", r#""00:01""#, r#""00:00""#),
        ("generator", "day_end", r#""23:59""#, r#""23:60""#),
        ("generator", "activate_clicks", "5001", "5000"),
        ("generator", "pause_clicks", "14999", "15000"),
        ("generator", "pause_clicks", "0", "-1"),
        ("generator", "contested_after", "0", "-1"),
        ("generator", "spend_limit", r#""0.000001""#, r#""0""#),
        ("trafficstar", "requests_per_minute", "1", "0"),
        ("trafficstar", "requests_per_minute", "4294967295", "4294967296"),
        ("control", "mode", r#""0775""#, r#""0777""#),
        ("control", "mode", r#""000""#, r#""00""#),
    ] {
        assert_accepted(section, key, inside);
        assert_refused(section, key, outside, "");
    }
    for (section, key) in [
        ("generator", "cooldown"),
        ("generator", "contested_backoff"),
        ("generator", "stored_spend_max_age"),
        ("generator", "midnight_doubt"),
    ] {
        assert_accepted(section, key, r#""0s""#);
        assert_accepted(section, key, r#""24h""#);
        assert_refused(section, key, r#""24h 1ns""#, "too long");
    }
    assert_accepted("control", "socket", &format!("{:?}", "s".repeat(107)));
    assert_refused("control", "socket", &format!("{:?}", "s".repeat(108)), "108 bytes");
}
