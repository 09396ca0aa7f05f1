//! The commands that look: what they print, and the exit status of each answer.

use super::helper::{Done, World};

const ID: i64 = 995_701;

/// What a command came to: its exit status, stdout and stderr.
fn run(world: &World, arguments: &[&str]) -> (i32, String, String) {
    let Done { code, stdout, stderr } = world.run(arguments);
    (code, stdout, stderr)
}

#[test]
fn status_and_dump_show_what_the_supervisor_knows() {
    let mut world = World::new();
    world.add_guarded(ID);
    let (code, table, _) = run(&world, &["status"]);
    assert_eq!(code, 0);
    for shown in ["CAMPAIGN", "active-guarded", "running", "20,000"] {
        assert!(table.contains(shown), "{shown} in {table}");
    }
    let list = world.json(&["status", "1"]);
    assert_eq!((list.as_array().unwrap().len(), list[0]["trafficstar_id"].as_i64()), (1, Some(ID)));
    let dump = world.json(&["dump"]);
    assert_eq!((dump["version"].as_i64(), dump["campaigns"][0]["id"].as_i64()), (Some(1), Some(1)));
    assert_eq!(world.json(&["dump", "1"])["state"], "active-guarded");
}

#[test]
fn each_answer_has_its_exit_status() {
    let mut world = World::new();
    let socket = world.guard.socket().display().to_string();
    for (arguments, code) in [
        (&["status", "99"][..], 1),
        (&["dump", "99"], 1),
        (&["explain", "99"], 1),
        (&["enable", "99"], 1),
        (&["status", "shoes"], 2),
        (&["disable"], 2),
        (&["dump", "--socket", "/nowhere/control.sock"], 3),
    ] {
        let (exit, out, err) = run(&world, arguments);
        assert_eq!((exit, out.as_str()), (code, ""), "{arguments:?}: {err}");
        assert!(err.starts_with("error: "), "{arguments:?}: {err}");
    }
    world.guard.stop();
    let (exit, _, err) = run(&world, &["status", "--socket", &socket]);
    assert_eq!(exit, 3, "{err}");
    let absent = format!("error: no supervisor answers on {socket}: nothing is guarded");
    assert!(err.starts_with(&absent) && !err.contains("localhost"), "{err}");
    let (exit, out, err) = run(&world, &["pause-all", "--reason", "wrong page"]);
    let direct = "Pause without one: traffic-generator pause-all --direct --reason \"wrong page\"";
    assert!(exit == 3 && out.is_empty() && err.contains(direct), "{exit} {out} {err}");
    let (exit, _, err) = run(&world, &["status", "--socket", &format!("/{}", "s".repeat(120))]);
    assert!(exit == 1 && err.contains("has 121 bytes: the path of a socket can have 107 at most"), "{exit} {err}");
}

#[test]
fn a_check_says_all_that_is_wrong_or_that_all_is_well_beside_a_running_supervisor() {
    let mut world = World::new();
    assert_eq!(run(&world, &["check", "--offline"]), (0, "All is well.\n".to_owned(), warning(&world)));
    let (code, out, _) = run(&world, &["migrate"]);
    assert_eq!((code, out.as_str()), (0, "The database's schema is up to date.\n"));
    world.guard.stop();
    let file = world.guard.config_file();
    let config = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, config.replace("[generator]", "[generator]\ntikc = \"1m\"\nmode = \"watch\"")).unwrap();
    let (code, problems, _) = run(&world, &["check"]);
    let lines: Vec<&str> = problems.lines().collect();
    assert_eq!((code, lines.len()), (1, 2), "{problems}");
    assert!(problems.contains("did you mean `tick`?") && problems.contains("`watch` is not one of"), "{problems}");
}

/// The harness allows more requests than an account has, of which every reader of the config is warned.
fn warning(world: &World) -> String {
    run(world, &["check", "--offline"]).2
}
