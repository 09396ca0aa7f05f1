//! The candidates at each place of a line.

use super::*;

fn campaign(id: i64, name: &str) -> Campaign {
    let row = serde_json::json!({"id": id, "name": name, "trafficstar_id": 1000 + id, "generator_enabled": true});
    serde_json::from_value(row).unwrap()
}

/// Returns the candidates for a line, with two campaigns of unique names and three others.
fn completed(line: &str) -> Vec<String> {
    let mut program = definition();
    program.build();
    let words = split(line);
    let (last, before) = words.split_last().unwrap();
    let typed = Typed::read(&program, &before[1..]);
    let rows = ["shoes", "red shoes", "twins", "twins", "a\u{1b}[31m"];
    let campaigns = || (1..).zip(rows).map(|(id, name)| campaign(id, name)).collect();
    candidates(&typed, last, campaigns).into_iter().map(|candidate| candidate.text).collect()
}

#[test]
fn each_place_of_a_line_has_its_candidates() {
    let words = ["1", "shoes", "2", "red shoes", "3", "4", "5"];
    let cases: [(&str, &[&str]); 23] = [
        ("traffic-generator ca", &["campaign"]),
        ("traffic-generator campaign ", &["list", "add", "set", "remove", "help"]),
        ("traffic-generator status ", &words),
        ("traffic-generator status 1 sh", &["shoes"]),
        ("traffic-generator dump 1 ", &[]),
        ("traffic-generator hold re", &["red shoes"]),
        ("traffic-generator hold red\\ s", &["red shoes"]),
        ("traffic-generator hold 'red s", &["red shoes"]),
        ("traffic-generator explain ts:1", &["ts:1001", "ts:1002", "ts:1003", "ts:1004", "ts:1005"]),
        ("traffic-generator wait 1 --until c", &["cooling-down"]),
        ("traffic-generator wait 1 --until=c", &["--until=cooling-down"]),
        ("traffic-generator wait --until idle 2", &["2"]),
        ("traffic-generator process --force ", &["activate", "pause"]),
        ("traffic-generator campaign set 1 --mode ", &["act", "observe", "default"]),
        ("traffic-generator campaign set 1 --high-spend d", &["default"]),
        ("traffic-generator url set 1 --status d", &["deleted"]),
        ("traffic-generator url set ", &[]),
        ("traffic-generator --socket /x/y url list tw", &[]),
        ("traffic-generator hold 1 --rea", &["--reason"]),
        ("traffic-generator hold 1 --reason ", &[]),
        ("traffic-generator manual two", &["two-machines"]),
        ("traffic-generator run --js", &[]),
        ("traffic-generator run --config ", &[FILES]),
    ];
    for (line, wanted) in cases {
        assert_eq!(completed(line), wanted, "{line}");
    }
    assert!(completed("traffic-generator completions ").contains(&"zsh".to_owned()));
    assert!(!completed("traffic-generator ").contains(&"complete".to_owned()));
}

#[test]
fn the_campaigns_are_read_from_the_supervisor_that_the_line_names() {
    let mut program = definition();
    program.build();
    let typed = Typed::read(&program, &split("--socket /a status --config=/b"));
    assert_eq!((typed.socket, typed.config), (Some("/a".into()), Some("/b".into())));
}

#[test]
fn a_line_is_split_as_a_shell_does() {
    let cases: [(&str, &[&str]); 6] = [
        ("a  b", &["a", "b"]),
        ("a ", &["a", ""]),
        (r"a\ b c\\d", &["a b", r"c\d"]),
        (r#"'a b' "c \"d" e"f g"#, &["a b", "c \"d", "ef g"]),
        ("a 'b", &["a", "b"]),
        ("", &[""]),
    ];
    for (line, words) in cases {
        assert_eq!(split(line), words, "{line}");
    }
}
