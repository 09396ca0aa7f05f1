//! The control socket's file: its permissions, and what the supervisor does when another program uses, removes or
//! replaces it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use crate::helper::{Config, World, assert_says};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

const ID: i64 = 995_005;

/// The open file descriptors of a program that listens on a socket.
type Kept = Vec<rustix::fd::OwnedFd>;

/// Listens as a program that accepts no further client: even connecting to it fails.
fn busy(path: &Path) -> Kept {
    let address = SocketAddrUnix::new(path).unwrap();
    let socket = || rustix::net::socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    let listener = socket();
    rustix::net::bind(&listener, &address).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let mut kept = vec![listener];
    loop {
        let client = socket();
        rustix::io::ioctl_fionbio(&client, true).unwrap();
        let connected = rustix::net::connect(&client, &address);
        kept.push(client);
        if connected.is_err() {
            return kept;
        }
    }
}

/// Listens as a program that uses another kind of socket.
fn other_kind(path: &Path) -> Kept {
    vec![UnixDatagram::bind(path).unwrap().into()]
}

#[test]
fn a_socket_that_a_running_program_uses_is_not_replaced_even_if_connecting_fails() {
    for listen in [busy, other_kind] {
        let mut world = World::new();
        world.guard.stop();
        let socket = world.guard.socket();
        let _alive = listen(&socket);
        let is_its = {
            let file = |path: &Path| std::fs::symlink_metadata(path).map(|file| file.ino()).ok();
            let before = file(&socket);
            move |path: &Path| file(path) == before
        };
        world.guard.start();
        while !world.guard.has_ended() {
            assert!(is_its(&socket), "it was replaced: {}", world.guard.log());
            std::thread::yield_now();
        }
        assert!(is_its(&socket), "it was replaced: {}", world.guard.log());
        let checked = world.run(&["check", "--offline"]);
        assert_eq!(checked.code, 1, "{checked:?}");
        let said = "is a socket that another program may use: stop that program, or set another [control] socket";
        assert_says(&checked.stdout, &[said]);
    }
}

#[test]
fn the_socket_permits_what_the_config_says() {
    for (mode, bits) in [("0600", 0o600), ("0660", 0o660)] {
        let world = World::configured(Config::default().set("control", "mode", mode));
        let permissions = std::fs::symlink_metadata(world.guard.socket()).unwrap().permissions();
        assert_eq!(permissions.mode() & 0o777, bits);
    }
}

#[test]
fn a_deleted_socket_is_made_again_unless_a_running_program_uses_one_in_its_place() {
    let mut world = World::configured(Config::default().set("control", "mode", "0660"));
    world.add_guarded(ID);
    let socket = world.guard.socket();
    std::fs::remove_file(&socket).unwrap();
    world.wait_for_an_answer();
    world.wait_for_log("the control socket's file was missing or replaced: it was created again");
    assert_eq!(std::fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);

    std::fs::remove_file(&socket).unwrap();
    let other = UnixListener::bind(&socket).unwrap();
    let others = std::fs::symlink_metadata(&socket).unwrap().ino();
    let message = "no command reaches this supervisor: its control socket is missing and cannot be created again";
    while !world.guard.log().contains(message) {
        assert!(!world.guard.has_ended());
        std::thread::yield_now();
    }
    assert_eq!(std::fs::symlink_metadata(&socket).unwrap().ino(), others, "a live socket was replaced");
    drop(other);
    world.wait_for_an_answer();
    let count = world.guard.log().matches(message).count();
    assert_eq!(count, 1, "it is logged once: {}", world.guard.log());

    world.guard.stop();
    assert!(!socket.exists(), "the supervisor removes the new file when it stops");
}
