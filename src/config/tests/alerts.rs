//! `[[alerts]]` and `[display]`.

use std::collections::BTreeSet;

use super::*;
use crate::alerts::receiver::{QuietHours, Receiver, WayOut};
use crate::alerts::template::{Shipped, Template};
use crate::domain::occasion::{OccasionKind, Severity};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Writes a config and the files that it names into a folder, and loads it. `{dir}` stands for the folder.
fn load(text: &str, files: &[(&str, &str)], environment: &[(&str, &str)]) -> Result<Config, Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().display().to_string();
    for (name, content) in files {
        std::fs::write(folder.path().join(name), content).unwrap();
    }
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text.replace("{dir}", &dir)).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let loaded = Config::load_to_guard(Some(&file), &environment);
    loaded.map_err(|errors| errors.lines().map(|line| line.replace(&format!("{dir}/"), "")).collect())
}

#[test]
fn every_key_of_a_receiver_sets_its_field_and_the_others_have_their_defaults() {
    let text = r#"
        [[alerts]]
        name = "ops"
        url = "https://example.com/hook"
        secret_file = "{dir}/secret"
        occasions = ["contested", "no-funds"]
        severity = "critical"
        group_wait = "1m"
        remind_after = "4h"
        resolved = false
        quiet = "22:00-07:00"
        [[alerts]]
        name = "chat"
        url_file = "{dir}/url"
        template = "slack"
        [[alerts]]
        name = "mail"
        command = ["/usr/sbin/sendmail", "-t"]
        template = "{dir}/mail.txt"
    "#;
    let files = [("secret", SECRET), ("url", "https://hooks.example/T0\n"), ("mail.txt", "To: ops\n\n{{ text }}\n")];
    let receivers = load(text, &files, &[]).unwrap().receivers;
    let time = |hour| NaiveTime::from_hms_opt(hour, 0, 0).unwrap();
    let [ops, chat, mail] = receivers.as_slice() else { panic!("{receivers:?}") };
    assert!(matches!(&ops.way_out, WayOut::Webhook { secrets: Some(_), .. }));
    let expected = Receiver {
        name: "ops".to_owned(),
        way_out: ops.way_out.clone(),
        template: Template::Shipped(Shipped::Standard),
        kinds: Some(BTreeSet::from([OccasionKind::Contested, OccasionKind::NoFunds])),
        severity: Severity::Critical,
        group_wait: Duration::from_mins(1),
        remind_after: Some(Duration::from_hours(4)),
        resolved: false,
        quiet: Some(QuietHours { from: time(22), to: time(7) }),
    };
    assert_eq!(*ops, expected);
    assert_eq!((chat.way_out.to_string(), &chat.kinds), ("https://hooks.example".to_owned(), &None));
    assert_eq!((chat.severity, chat.group_wait, chat.resolved), (Severity::Warning, Duration::from_secs(10), true));
    assert_eq!((chat.remind_after, chat.quiet), (None, None));
    let command = WayOut::Command { program: "/usr/sbin/sendmail".into(), arguments: vec!["-t".to_owned()] };
    assert_eq!(mail.way_out, command);
}

#[test]
fn the_environment_gives_secret_and_address_before_the_file() {
    let text = r#"
        [[alerts]]
        name = "on-call"
        url = "https://example.com/hook"
        secret_file = "/nonexistent/secret"
    "#;
    let environment = [
        ("TRAFFIC_GENERATOR_ALERTS_ON_CALL_SECRET", SECRET),
        ("TRAFFIC_GENERATOR_ALERTS_ON_CALL_URL", "https://other.example/secret-path"),
    ];
    let receivers = load(text, &[], &environment).unwrap().receivers;
    assert_eq!(receivers[0].way_out.to_string(), "https://other.example");
    assert_eq!(
        load(text, &[], &[("TRAFFIC_GENERATOR_ALERTS_OPS_SECRET", SECRET), environment[0]]).unwrap_err(),
        [
            "TRAFFIC_GENERATOR_ALERTS_OPS_SECRET: `TRAFFIC_GENERATOR_ALERTS_OPS_SECRET` is not a variable of this program; \
          write TRAFFIC_GENERATOR_ALERTS_NAME_SECRET or …_URL with the name of a receiver in [[alerts]]"
        ]
    );
}

#[test]
fn a_command_needs_neither_the_files_nor_the_variables_of_the_receivers() {
    let text = r#"
        [[alerts]]
        name = "ops"
        url = "https://example.com/hook"
        secret_file = "/nonexistent/secret"
        [[alerts]]
        name = "signed-by-a-variable"
        url = "https://example.com/hook"
        [[alerts]]
        name = "all-by-variables"
        [[alerts]]
        name = "chat"
        url_file = "/nonexistent/url"
        template = "/nonexistent/template"
    "#;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    std::fs::write(&file, text).unwrap();
    let loaded = Config::load(Some(&file), &Environment::new());
    assert!(loaded.is_ok_and(|config| config.receivers.is_empty()));
    let refused = Config::load_to_guard(Some(&file), &Environment::new()).unwrap_err().to_string();
    for place in ["5: alerts.secret_file: /nonexistent/secret: ", "6: alerts.secret_file: ", "9: alerts.url: "] {
        assert!(refused.contains(&format!("config.toml:{place}")), "{refused}");
    }
    assert!(refused.contains("config.toml:13: alerts.url_file: /nonexistent/url: "), "with the others: {refused}");
}

#[test]
fn a_file_that_is_too_large_or_has_several_addresses_is_refused() {
    let receiver = |key: &str| format!("[[alerts]]\nname = \"ops\"\n{key}\n");
    let large = "x".repeat(64 * 1024 + 1);
    let template = receiver("url = \"https://example.com/\"\ntemplate = \"{dir}/big\"");
    let refused = load(&template, &[("big", &large)], &[]).unwrap_err();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].starts_with("config.toml:4: alerts.template: big: is larger than 64 KiB"), "{refused:?}");
    let addresses = receiver("url_file = \"{dir}/url\"\ntemplate = \"slack\"");
    let refused = load(&addresses, &[("url", "https://example.com/a\nhttps://example.com/b\n")], &[]).unwrap_err();
    let expected = "config.toml:3: alerts.url_file: url: has more than one line: write the address alone into it";
    assert_eq!(refused, [expected]);
}

#[test]
fn a_mistake_in_a_receiver_is_reported_with_the_line_of_its_key_or_of_its_section() {
    let text = r#"[display]
time_zone = "Europe/Berlim"
digest = "8"
[[alerts]]
url = "https://example.com/"
[[alerts]]
name = "Ops"
[[alerts]]
name = "plain"
url = "http://example.com/hook/secret"
template = "slack"
[[alerts]]
name = "both"
url = "https://example.com/"
command = ["/bin/true"]
template = "slack"
[[alerts]]
name = "neither"
[[alerts]]
name = "unsigned"
url = "https://example.com/"
[[alerts]]
name = "chosen"
command = ["true"]
occasions = ["contestet"]
severity = "fatal"
group_wait = "2h"
remind_after = "1s"
quiet = "22-07"
resolved = "no"
sevrity = "info"
[[alerts]]
name = "both"
command = ["/bin/true"]
"#;
    let found = messages(text, []);
    let expected = [
        "config.toml:2: display.time_zone: \"Europe/Berlim\" is not a time zone; did you mean \"Europe/Berlin\"?",
        "config.toml:3: display.digest: \"8\" is not a time of day: write hours and minutes, like \"08:00\"",
        "config.toml:4: alerts.name: is missing: `alert list` and `alert test` name the receiver by it",
        "config.toml:7: alerts.name: \"Ops\" is not a receiver's name: write up to 40 small letters, digits and `-`",
        "config.toml:10: alerts.url: http:// is for a loopback address only (localhost, 127.0.0.1, [::1]): write one like \
         \"https://example.com/hook\"",
        "config.toml:15: alerts.command: a receiver has either a url or a command",
        "config.toml:17: alerts.url: is missing: write url, url_file or command",
        "config.toml:19: alerts.secret_file: is missing: a message of the template standard is signed. Make a secret with \
         `echo whsec_$(head -c 32 /dev/urandom | base64)`, and give it to the receiver, too",
        "config.toml:24: alerts.command: this is not a command: write a list of the program's whole path and its arguments, \
         like [\"/usr/sbin/sendmail\", \"-t\"]",
        "config.toml:25: alerts.occasions: `contestet` is not an occasion; did you mean `contested`?",
        "config.toml:26: alerts.severity: `fatal` is not a severity: write info, warning or critical",
        "config.toml:27: alerts.group_wait: \"2h\" is too long: at most 1h",
        "config.toml:28: alerts.remind_after: \"1s\" is too short: a receiver is reminded every minute at most, write one \
         like \"4h\"",
        "config.toml:29: alerts.quiet: \"22-07\" are not hours of a day: write them like \"22:00-07:00\"",
        "config.toml:30: alerts.resolved: \"no\" is neither true nor false (without quotes)",
        "config.toml:31: `alerts.sevrity` is not a key; did you mean `severity`?",
    ];
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    assert!(!found.join("").contains("secret\""), "an address may be a secret");
    let twice = "[[alerts]]\nname = \"a-b\"\ncommand = [\"/bin/true\"]\n".repeat(2);
    assert_eq!(messages(&twice, []), ["config.toml:5: alerts.name: another receiver is named a-b already"]);
}

#[test]
fn a_file_of_a_receiver_is_reported_with_the_line_of_the_key_that_names_it() {
    let receiver = |keys: &str| format!("[[alerts]]\nname = \"ops\"\n{keys}\n");
    let url = "url = \"https://example.com/\"";
    for (keys, files, says) in [
        (
            format!("{url}\nsecret_file = \"{{dir}}/secret\""),
            [("secret", "swordfish")],
            "config.toml:4: alerts.secret_file: secret: line 1 is not a secret: a secret begins with `whsec_`",
        ),
        (
            format!("{url}\nsecret_file = \"{{dir}}/other\""),
            [("secret", SECRET)],
            "config.toml:4: alerts.secret_file: other: cannot be read: No such file or directory (os error 2)",
        ),
        (
            format!("{url}\ntemplate = \"{{dir}}/hook.json\""),
            [("hook.json", "{\"text\":\n{{ text }")],
            "config.toml:4: alerts.template: hook.json: line 2: syntax error: unexpected `}`, expected end of variable block \
             (in hook.json:2)",
        ),
        (
            format!("{url}\ntemplate = \"telegramm\""),
            [("hook.json", "")],
            "config.toml:4: alerts.template: telegramm: cannot be read: No such file or directory (os error 2); the \
             templates of the program are standard, telegram, slack, discord, ntfy",
        ),
        (
            "url_file = \"{dir}/url\"\ntemplate = \"slack\"".to_owned(),
            [("url", "http://example.com/secret-path")],
            "config.toml:3: alerts.url_file: url: http:// is for a loopback address only (localhost, 127.0.0.1, [::1]): \
             write one like \"https://example.com/hook\"",
        ),
    ] {
        assert_eq!(load(&receiver(&keys), &files, &[]).unwrap_err(), [says]);
    }
}

#[test]
fn a_file_with_a_secret_that_all_users_may_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let text =
        format!("[[alerts]]\nname = \"ops\"\nurl = \"https://example.com/\"\nsecret_file = \"{}\"\n", secret.display());
    let config = config(&text);
    for (mode, count) in [(0o600, 0), (0o644, 1)] {
        std::fs::set_permissions(&secret, std::fs::Permissions::from_mode(mode)).unwrap();
        let exposed =
            config.exposed_secrets(&Environment::from([("TRAFFICSTAR_API_KEY".to_owned(), "key".to_owned())]));
        assert_eq!(exposed.len(), count, "{mode:o}: {exposed:?}");
    }
}
