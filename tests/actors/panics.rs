//! A panic in the whole program, against the sandbox and SQLite, on the time of the machine.

use std::path::Path;
use std::time::{Duration, Instant};

use sandbox::{CampaignSpec, Interference, Options, Sandbox, Tracker};
use tokio::sync::oneshot;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use traffic_generator::config::{Config, Environment};
use traffic_generator::control::client::Client;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::live::{LiveKind, Part};
use traffic_generator::domain::phase::PhaseWord;
use traffic_generator::domain::status::{CampaignStatus, Dump, Liveness};
use traffic_generator::{daemon, store};

use crate::defect::Defect;

async fn until(client: &Client, what: &str, holds: impl Fn(&Dump) -> bool) -> Dump {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let dump = client.state().await;
        match dump {
            Ok(dump) if holds(&dump) => return dump,
            other => assert!(Instant::now() < deadline, "waited in vain until {what}: {other:#?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn campaign(dump: &Dump, id: i64) -> &CampaignStatus {
    dump.campaigns.iter().find(|campaign| campaign.id.0 == id).expect("the campaign is in the dump")
}

fn config(folder: &Path, base_url: &str) -> Config {
    let text = format!(
        r#"
        [database]
        url = "sqlite://{folder}/guard.db"
        [control]
        socket = "{folder}/control.sock"
        [trafficstar]
        base_url = "{base_url}"
        requests_per_minute = 5000
        [generator]
        tick = "400ms"
        "#,
        folder = folder.display(),
    );
    Config::parse(Path::new("config.toml"), &text, &Environment::new()).expect("the config is right")
}

#[test]
fn a_panic_in_one_campaigns_actor_disturbs_no_other_and_the_actor_is_built_anew_from_what_was_stored() {
    let defect = Defect::default();
    tracing_subscriber::registry().with(defect.clone()).init();
    let folder = tempfile::tempdir().unwrap();
    let options = Options { requests_per_minute: 100_000, ..Options::default() };
    let sandbox = Sandbox::start_in_thread(options.clone()).unwrap();
    let config = config(folder.path(), &sandbox.base_url());
    actix::System::new().block_on(async {
        let store = daemon::store_of(&config);
        assert!(matches!(store.schema().await.unwrap(), store::SchemaState::Missing));
        store.migrate().await.unwrap();
        let mut tracker = Tracker::open(&folder.path().join("guard.db")).unwrap();
        for remote in [901, 902] {
            sandbox.add_campaign(CampaignSpec::running(remote));
            tracker.add_campaign("a campaign", remote, true).unwrap();
            tracker.add_url(remote, "a url", 20_000).unwrap();
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let served = config.clone();
        let daemon = actix::spawn(async move {
            let stop = async {
                let _ = stopped.await;
            };
            daemon::serve(&served, options.api_key.into(), None, stop).await
        });
        let client = Client::new(&config.control.socket).unwrap();
        until(&client, "both are guarded", |dump| {
            dump.campaigns
                .iter()
                .all(|campaign| campaign.stored.is_some_and(|stored| stored.state == PhaseWord::ActiveGuarded))
                && dump.campaigns.len() == 2
        })
        .await;

        let mut events = client.events(Some(CampaignId(2))).await.unwrap();
        defect.arm(CampaignId(2));
        sandbox.interfere(902, Interference::Stop).unwrap();
        let died = until(&client, "the death is noticed", |dump| dump.supervisor.restarts == 1).await;
        let ticks_then = campaign(&died, 1).actor.as_ref().unwrap().ticks;
        assert_eq!(campaign(&died, 2).actor.as_ref().unwrap().status, Liveness::Restarting);

        let reborn = until(&client, "the promise of the dead is kept by another", |dump| {
            campaign(dump, 2)
                .actor
                .as_ref()
                .is_some_and(|actor| actor.incarnation == 2 && actor.status == Liveness::Running)
                && sandbox.is_running(902)
        })
        .await;
        let (first, second) = (campaign(&reborn, 1), campaign(&reborn, 2));
        let first_actor = first.actor.as_ref().unwrap();
        assert_eq!((first_actor.incarnation, first_actor.restarts), (1, 0));
        assert!(
            first_actor.ticks > ticks_then,
            "the other campaign ticked on: {} after {ticks_then}",
            first_actor.ticks
        );
        assert_eq!(second.actor.as_ref().unwrap().restarts, 1);
        assert_eq!(second.state, PhaseWord::ActiveGuarded);
        assert_eq!(reborn.supervisor.restarts, 1);
        let mut told = Vec::new();
        while told.len() < 2 {
            let event = tokio::time::timeout(Duration::from_secs(30), events.next()).await.unwrap().unwrap();
            if matches!(event.kind, LiveKind::Error { part: Part::Actor, .. }) {
                told.push("it died");
            } else if event.kind == (LiveKind::Recovery { part: Part::Actor }) {
                told.push("it was built anew");
            }
        }
        assert_eq!(told, ["it died", "it was built anew"]);

        stop.send(()).unwrap();
        daemon.await.unwrap().unwrap();
        assert!(!config.control.socket.exists(), "the socket goes with the program");
    });
}
