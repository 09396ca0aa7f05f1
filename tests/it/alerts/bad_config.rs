//! Mistakes in `[[alerts]]` and `[display]`: each is named by file, line and key before the program starts.

use toml::Value;

use super::SECRET;
use crate::helper::{Config, World, assert_says};

/// A receiver without a mistake.
fn good() -> Vec<(&'static str, Value)> {
    vec![("name", "ops".into()), ("url", "https://example.com/hook".into()), ("secret_file", "ops.secret".into())]
}

/// Returns the config with one receiver, whose keys are those of [`good`] without `left_out`, and these.
fn with(left_out: &[&str], keys: Vec<(&'static str, Value)>) -> Config {
    let kept = good().into_iter().filter(|(key, _)| !left_out.contains(key));
    Config::default().file("ops.secret", SECRET).alert(&kept.chain(keys).collect::<Vec<_>>())
}

fn one(key: &'static str, value: impl Into<Value>) -> Config {
    with(&[], vec![(key, value.into())])
}

/// A mistake: the config, the key that is wrong, and what is said of it. A key that is missing is reported by the line
/// of its section.
struct Mistake {
    config: Config,
    section: &'static str,
    key: &'static str,
    is_missing: bool,
    says: &'static str,
}

fn wrong(config: Config, key: &'static str, says: &'static str) -> Mistake {
    Mistake { config, section: "alerts", key, is_missing: false, says }
}

fn missing(left_out: &[&str], key: &'static str, says: &'static str) -> Mistake {
    Mistake { is_missing: true, ..wrong(with(left_out, Vec::new()), key, says) }
}

fn in_display(key: &'static str, value: &str, says: &'static str) -> Mistake {
    let config = with(&[], Vec::new()).set("display", key, value);
    Mistake { section: "display", ..wrong(config, key, says) }
}

/// Returns the mistakes in the files that a receiver names.
fn in_files() -> Vec<Mistake> {
    let template = |name: &str, content: &str, says| wrong(one("template", name).file(name, content), "template", says);
    let secret = |content: &str, says| wrong(with(&[], Vec::new()).file("ops.secret", content), "secret_file", says);
    vec![
        template("mail.txt", "To: ops\n\n{{ text", "mail.txt: line 3: syntax error"),
        template("mail.txt", "{{ titel }}", "mail.txt: line 1: undefined value"),
        template("hook.json", "{\"a\": \"{{ text }}\"}", "hook.json: what it writes is not JSON"),
        wrong(one("template", "telegran"), "template", "telegran: cannot be read: "),
        wrong(one("template", "missing.txt"), "template", "the templates of the program are standard, telegram, slack"),
        secret("swordfish", "ops.secret: line 1 is not a secret: a secret begins with `whsec_`"),
        secret("whsec_c3dvcmRmaXNo", "ops.secret: line 1 is not a secret: it has 9 bytes, and a secret has 24 to 64"),
        secret("", "ops.secret: holds no secret"),
        wrong(one("secret_file", "missing.secret"), "secret_file", "missing.secret: cannot be read: "),
    ]
}

/// Returns the mistakes in how a receiver is reached.
fn in_the_way_out() -> Vec<Mistake> {
    let command = |left_out: &[&str], program: &str, key, says| {
        wrong(with(left_out, vec![("command", vec![program].into())]), key, says)
    };
    vec![
        wrong(one("url", "http://example.com/hook"), "url", "http:// is for a loopback address only"),
        wrong(one("url", "ftp://example.com/hook"), "url", "the URL does not begin with https://"),
        command(&[], "/bin/true", "command", "a receiver has either a url or a command"),
        command(&["url"], "tell-ops", "command", "this is not a command: write a list of the program's whole path"),
        command(&["url"], "/bin/true", "secret_file", "is for a url: a command gets no signature"),
        missing(&["url", "secret_file"], "url", "is missing: write url, url_file or command"),
        missing(&["secret_file"], "secret_file", "is missing: a message of the template standard is signed"),
        missing(&["name"], "name", "is missing: `alert list` and `alert test` name the receiver by it"),
        wrong(one("name", "Ops team"), "name", "is not a receiver's name: write up to 40 small letters"),
    ]
}

/// Returns the mistakes in what a receiver is told and when.
fn in_the_choice() -> Vec<Mistake> {
    vec![
        wrong(
            one("occasions", vec!["contested", "blockd"]),
            "occasions",
            "`blockd` is not an occasion; did you mean `blocked`?",
        ),
        wrong(one("occasions", "blocked"), "occasions", "is not a list of occasions: write [\"*\"] for all"),
        wrong(one("severity", "fatal"), "severity", "`fatal` is not a severity: write info, warning or critical"),
        wrong(one("quiet", "22-7"), "quiet", "are not hours of a day: write them like \"22:00-07:00\""),
        wrong(one("remind_after", "5s"), "remind_after", "is too short"),
        wrong(one("group_wait", "2h"), "group_wait", ""),
        wrong(one("resolved", "yes"), "resolved", "is neither true nor false"),
        in_display("time_zone", "Europe/Berln", "is not a time zone; did you mean \"Europe/Berlin\"?"),
        in_display("digest", "8 o'clock", "is not a time of day: write hours and minutes, like \"08:00\""),
    ]
}

/// Returns the number of the key's line; that of its section's first line if the key is missing.
fn line_of(text: &str, mistake: &Mistake) -> usize {
    let Mistake { section, key, is_missing, .. } = mistake;
    let heads = [format!("[[{section}]]"), format!("[{section}]")];
    let from = text.lines().position(|line| heads.iter().any(|head| head == line)).unwrap();
    let begins = format!("{key} = ");
    let down =
        if *is_missing { 0 } else { text.lines().skip(from).position(|line| line.starts_with(&begins)).unwrap() };
    from + down + 1
}

/// Asserts that `check` and `run` say this, and that `run` has not started anything.
#[track_caller]
fn assert_refused(world: &World, variables: &[(&str, &str)], says: &[&str]) {
    let before = world.sandbox.requests().len();
    for arguments in [&["check", "--offline"][..], &["run"]] {
        let done = world.guard.run_with(variables, arguments);
        assert_eq!(done.code, 1, "{arguments:?}: {done:?}");
        assert_says(&done.output(), says);
        assert!(!done.output().contains("swordfish"), "a secret is never shown: {done:?}");
    }
    assert_eq!(world.sandbox.requests().len(), before);
}

#[test]
fn each_mistake_is_named_by_file_line_and_key_before_the_program_starts() {
    let mut world = World::new();
    world.guard.stop();
    let usual = world.guard.config.clone();
    for mistake in in_files().into_iter().chain(in_the_way_out()).chain(in_the_choice()) {
        world.guard.config = usual.clone().and(&mistake.config);
        world.guard.write_config();
        let file = world.guard.config_file();
        let line = line_of(&std::fs::read_to_string(&file).unwrap(), &mistake);
        let place = format!("{}:{line}: {}.{}: ", file.display(), mistake.section, mistake.key);
        assert_refused(&world, &[], &[&place, mistake.says]);
    }
}

#[test]
fn all_mistakes_are_reported_together() {
    let mut world = World::new();
    world.guard.stop();
    let config = with(&[], vec![("occasions", vec!["blockd"].into()), ("quiet", "night".into())]);
    world.guard.config = world.guard.config.clone().and(&config).alert(&good());
    world.guard.write_config();
    let says = ["alerts.occasions: `blockd`", "alerts.quiet: ", "alerts.name: another receiver is named ops already"];
    assert_refused(&world, &[], &says);
}

#[test]
fn a_variable_that_belongs_to_no_receiver_is_refused_by_its_name() {
    let mut world = World::new();
    world.guard.stop();
    world.guard.config = world.guard.config.clone().and(&with(&[], Vec::new()));
    world.guard.write_config();
    for variable in ["TRAFFIC_GENERATOR_ALERTS_OPPS_SECRET", "TRAFFIC_GENERATOR_ALERTS_OPS_SECRETS"] {
        assert_refused(&world, &[(variable, SECRET)], &[variable, "is not a variable of this program"]);
    }
    assert_refused(
        &world,
        &[("TRAFFIC_GENERATOR_ALERTS_OPS_SECRET", "swordfish")],
        &["TRAFFIC_GENERATOR_ALERTS_OPS_SECRET"],
    );
    assert_refused(
        &world,
        &[("TRAFFIC_GENERATOR_ALERTS_OPS_URL", "http://example.com/swordfish")],
        &["TRAFFIC_GENERATOR_ALERTS_OPS_URL", "http:// is for a loopback address only"],
    );
    let checked = world.run(&["check", "--offline"]);
    assert_eq!(checked.code, 0, "without such a variable all is well: {checked:?}");
}

/// Operators may not read the secrets of the guard, and their shells do not have its variables.
#[test]
fn commands_work_without_the_secrets_of_the_receivers() {
    let mut world = World::new();
    world.guard.stop();
    world.guard.config = world.guard.config.clone().and(&with(&["secret_file"], Vec::new()));
    world.guard.write_config();
    world.guard.variables.push(("TRAFFIC_GENERATOR_ALERTS_OPS_SECRET", SECRET.to_owned()));
    world.start();
    world.guard.variables.clear();
    for arguments in [&["status"][..], &["alert", "list"], &["health"]] {
        let done = world.run(arguments);
        assert_eq!(done.code, 0, "{arguments:?}: {done:?}");
    }
    let reloaded = world.run(&["reload"]);
    assert_eq!(reloaded.code, 0, "the guard has the variable: {reloaded:?}");
}
