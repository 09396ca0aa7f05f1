//! Connections to TrafficStars that hang.

use crate::helper::{Config, World};

const ID: i64 = 995_002;

/// The server would rather speak HTTP/2, where all requests share one connection, and never answers there.
#[test]
fn a_connection_that_hangs_is_left_and_a_needed_pause_leaves_by_another_one() {
    let (mut world, front) = World::behind_tls(Config::default().set("trafficstar", "timeout", "2s"));
    world.add_guarded(ID);
    front.hang();
    world.database.execute("UPDATE urls SET click_limit = clicks");
    world.wait_for("the pause", |world| if world.sandbox.is_running(ID) { Err(world.guard.log()) } else { Ok(()) });
    assert!(world.guard.log().contains("did not answer in time"), "{}", world.guard.log());
}
