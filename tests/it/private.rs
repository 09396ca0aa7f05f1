//! Protection from other users of the machine: a config file that they may write, and keys, database and memory that
//! they may not read.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};

use crate::helper::{Done, World, assert_says, behind};

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_config_file_that_others_may_write_is_used_only_if_the_command_names_it() {
    let world = World::new();
    let file = world.guard.config_file();
    let folder = file.parent().unwrap();
    let here = |arguments: &[&str]| Done::of(&mut world.guard.program_without_config(arguments));
    here(&["status"]).succeeded();
    let commands: [&[&str]; 5] = [
        &["status"],
        &["check", "--offline"],
        &["migrate"],
        &["run"],
        &["pause-all", "--reason", "a test", "--direct"],
    ];
    let cases = [
        (file.as_path(), 0o666, "others may write it (mode 0666)"),
        (&file, 0o664, "others may write it (mode 0664)"),
        (folder, 0o777, "others may write its folder (mode 0777)"),
        (folder, 0o1777, "others may write its folder (mode 1777)"),
    ];
    for (path, mode, expected) in cases {
        let before = fs::metadata(path).unwrap().mode();
        set_mode(path, mode);
        for command in commands {
            let refused = here(command);
            assert_eq!(refused.code, 1, "{command:?}: {refused:?}");
            assert_says(&refused.output(), &[expected, "name it: --config config.toml"]);
        }
        // This command names the config file.
        world.done(&["status"]);
        set_mode(path, before);
    }
    if rustix::process::geteuid().is_root() {
        chown(&file, Some(65_534), None).unwrap();
        let refused = here(&["pause-all", "--reason", "a test", "--direct"]);
        assert_says(&refused.output(), &["it belongs to another user (65534)"]);
    }
}

#[test]
fn check_and_run_warn_of_a_key_file_that_every_user_may_read() {
    let world = World::new();
    let key = world.guard.config_file().with_file_name("api-key");
    fs::write(&key, "sandbox-api-key").unwrap();
    let warning = "every user of this machine may read or change the file";
    for (mode, is_warned_of) in [(0o644, true), (0o602, true), (0o600, false), (0o440, false)] {
        set_mode(&key, mode);
        for arguments in [&["check", "--offline"][..], &["run"]] {
            let mut command = world.guard.program(arguments);
            command.env_remove("TRAFFICSTAR_API_KEY").env("TRAFFIC_GENERATOR__TRAFFICSTAR__API_KEY_FILE", &key);
            // `run` ends soon, because another supervisor runs already.
            let printed = Done::of(&mut command).output();
            assert_eq!(printed.contains(warning), is_warned_of, "{mode:o} {arguments:?}: {printed}");
        }
    }
}

#[test]
fn other_users_may_not_read_a_new_database_and_its_lock() {
    let world = World::new();
    let file = world.guard.config_file().with_file_name("other.db");
    world.guard.run_on_another_database(&["migrate"]).succeeded();
    let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
    assert_eq!(mode(&file) & 0o607, 0o600, "{:o}", mode(&file));
    assert_eq!(mode(&world.guard.config_file().with_file_name("guard.db.lock")), 0o600);
}

/// The mask of a shell forbids the group to write. An administrator types `migrate` in such a shell.
#[test]
fn a_new_database_is_its_groups_too_if_the_folder_was_made_for_a_group() {
    let world = World::new();
    let folder = world.guard.config_file().with_file_name("shared");
    fs::create_dir(&folder).unwrap();
    for (folder_mode, file_mode) in [(0o2770, 0o660), (0o770, 0o640), (0o2750, 0o640), (0o755, 0o640)] {
        set_mode(&folder, folder_mode);
        let file = folder.join(format!("{folder_mode:o}.db"));
        let mut migrate = world.guard.program(&["migrate"]);
        migrate.env("TRAFFIC_GENERATOR__DATABASE__URL", format!("sqlite://{}", file.display()));
        Done::of(&mut behind(&migrate, "sh", &["-c", "umask 022; exec \"$@\"", "sh"])).succeeded();
        let mode = fs::metadata(&file).unwrap().mode() & 0o777;
        assert_eq!(mode, file_mode, "{mode:o} in a folder of mode {folder_mode:o}");
    }
}

#[test]
fn the_program_leaves_no_core_dump_and_only_root_may_read_its_environment() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Core);
    setrlimit(Resource::Core, Rlimit { current: maximum, maximum }).unwrap();
    let mut world = World::new();
    let environment = format!("/proc/{}/environ", world.guard.pid());
    assert_eq!(fs::metadata(environment).unwrap().uid(), 0);
    world.guard.signal(Signal::ABORT);
    let ended = world.guard.end();
    assert_eq!((ended.signal(), ended.core_dumped()), (Some(Signal::ABORT.as_raw()), false));
}
