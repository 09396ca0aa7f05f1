//! `[[groups]]` and `[account]`.

use super::*;

#[test]
fn a_mistake_in_a_group_is_reported_with_the_line_of_its_key_or_of_its_section() {
    let text = r#"[account]
high_spend = "pause"
[[groups]]
spend_limit = "200.00"
high_spend = "top-up"
[[groups]]
name = "shoes"
spend_limit = "-1"
[[groups]]
name = "shoes"
[[groups]]
name = "boots"
spend_limit = "300"
nam = "x"
[[groups]]
name = "hats"
spend_limit = "300"
high_spend = "top-up"
[[groups]]
name = "default"
[[log]]
filter = "info"
"#;
    assert_eq!(
        messages(text, []),
        [
            "config.toml:1: account.spend_limit: is missing: high_spend is for this limit",
            "config.toml:3: groups.name: is missing: `campaigns.group_name` refers to the group by it",
            "config.toml:5: groups.high_spend: top-up raises one campaign's budget at its own limit: write observe, guard \
             or pause",
            "config.toml:8: groups.spend_limit: `-1` is not an amount: write it like 10.00",
            "config.toml:10: groups.name: another group is named shoes already",
            "config.toml:11: groups.high_spend: is missing: write what happens at the limit: observe, guard or pause",
            "config.toml:14: `groups.nam` is not a key; did you mean `name`?",
            "config.toml:18: groups.high_spend: top-up raises one campaign's budget at its own limit: write observe, guard \
             or pause",
            "config.toml:20: groups.name: \"default\" is not a group's name: write up to 100 characters in quotes, other \
             than \"default\"",
            "config.toml:21: `log` is not a key outside the sections; write a line [log] and its keys below it",
        ]
    );
    let found = messages("[[group]]\nname = \"shoes\"\n[log]\nfilter = \"info\"", []);
    assert_eq!(found, ["config.toml:1: `group` is not a key outside the sections; did you mean [[groups]]?"]);
    let found = messages("[log]\nfilter = \"info\"", [("TRAFFIC_GENERATOR__GROUPS__NAME", "shoes")]);
    assert_eq!(
        found,
        [
            "TRAFFIC_GENERATOR__GROUPS__NAME: `TRAFFIC_GENERATOR__GROUPS__NAME` is not a variable of this program; [[groups]] \
          can only be written in the file"
        ]
    );
    let found = messages("[groups]\nname = \"shoes\"\n", []);
    assert_eq!(found, ["config.toml:1: `groups` is not a section; write [[groups]], once for each of them"]);
}
