//! The control socket's file: whose it is, what it permits, and what becomes of it when others touch it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;

use crate::helper::{Config, World, assert_says};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType};

const ID: i64 = 995_005;

/// Who listens on a socket, as long as it is kept.
type Kept = Vec<rustix::fd::OwnedFd>;

/// A program that is alive and takes no more clients: even connecting to it fails.
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

/// A program that is alive and speaks otherwise.
fn other_kind(path: &Path) -> Kept {
    vec![UnixDatagram::bind(path).unwrap().into()]
}

#[test]
fn a_socket_of_a_program_that_is_alive_is_not_replaced_though_connecting_to_it_fails() {
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
        let said = "is a socket that another program may be using: stop that one, or remove the file";
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
fn a_socket_whose_file_is_deleted_is_made_anew_and_one_in_its_place_is_left_while_it_is_alive() {
    let mut world = World::configured(Config::default().set("control", "mode", "0660"));
    world.add_guarded(ID);
    let socket = world.guard.socket();
    std::fs::remove_file(&socket).unwrap();
    world.wait_for_an_answer();
    world.wait_for_log("the control socket's file was gone or replaced: it was made anew");
    assert_eq!(std::fs::symlink_metadata(&socket).unwrap().permissions().mode() & 0o777, 0o660);

    std::fs::remove_file(&socket).unwrap();
    let other = UnixListener::bind(&socket).unwrap();
    let others = std::fs::symlink_metadata(&socket).unwrap().ino();
    let told = "no command reaches this supervisor: its control socket is gone, and cannot be made anew";
    while !world.guard.log().contains(told) {
        assert!(!world.guard.has_ended());
        std::thread::yield_now();
    }
    assert_eq!(std::fs::symlink_metadata(&socket).unwrap().ino(), others, "a live socket was replaced");
    drop(other);
    world.wait_for_an_answer();
    let told = world.guard.log().matches(told).count();
    assert_eq!(told, 1, "it is told once: {}", world.guard.log());

    world.guard.stop();
    assert!(!socket.exists(), "the new file goes with its supervisor");
}
