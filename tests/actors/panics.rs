//! A panic in the whole program, which runs against the sandbox and SQLite, on real time.

use std::fmt::Debug;
use std::path::Path;
use std::time::{Duration, Instant};

use sandbox::{CampaignSpec, Interference, Options, Sandbox, Tracker};
use tokio::sync::oneshot;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use traffic_generator::config::{Config, Environment};
use traffic_generator::control::client::{Client, ClientError};
use traffic_generator::control::{AlertView, Alerts};
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::occasion::{OccasionKind, Severity};
use traffic_generator::domain::operator_event::{EventKind, Part};
use traffic_generator::domain::phase::PhaseWord;
use traffic_generator::domain::status::{ActorStatus, CampaignStatus, Dump, Liveness};
use traffic_generator::{daemon, store};

use crate::defect::Defect;

async fn until(client: &Client, what: &str, holds: impl Fn(&Dump) -> bool) -> Dump {
    wait_for(what, async || client.state().await, holds).await
}

/// Asks again and again until the answer is as the test needs it.
async fn wait_for<T: Debug>(
    what: &str,
    ask: impl AsyncFn() -> Result<T, ClientError>,
    holds: impl Fn(&T) -> bool,
) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match ask().await {
            Ok(answer) if holds(&answer) => return answer,
            other => assert!(Instant::now() < deadline, "waited too long until {what}: {other:#?}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn campaign(dump: &Dump, id: i64) -> &CampaignStatus {
    dump.campaigns.iter().find(|campaign| campaign.id.0 == id).expect("the campaign is in the dump")
}

fn actor(dump: &Dump, id: i64) -> &ActorStatus {
    campaign(dump, id).actor.as_ref().expect("it is guarded")
}

/// Of the two campaigns, the alerts name the one whose actor died.
async fn assert_only_the_second_is_told(client: &Client) {
    let is_restart = |alert: &&AlertView| alert.occasion == OccasionKind::Restarted && alert.campaign.is_some();
    let has_restart = |alerts: &Alerts| alerts.alerts.iter().any(|alert| is_restart(&alert));
    let alerts = wait_for("the death is told", async || client.alerts().await, has_restart).await;
    let restarts = alerts.alerts.iter().filter(is_restart);
    let told = restarts.map(|alert| (alert.key.as_str(), alert.severity, alert.state.as_str()));
    assert_eq!(told.collect::<Vec<_>>(), [("restarted/2", Severity::Warning, "firing")]);
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
fn a_panic_in_one_campaigns_actor_disturbs_no_other_and_the_actor_is_respawned_from_the_database() {
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
        let is_guarded =
            |campaign: &CampaignStatus| campaign.stored.is_some_and(|stored| stored.state == PhaseWord::ActiveGuarded);
        let both = |dump: &Dump| dump.campaigns.len() == 2 && dump.campaigns.iter().all(is_guarded);
        until(&client, "both are guarded", both).await;

        let mut events = client.events(Some(CampaignId(2))).await.unwrap();
        defect.arm(CampaignId(2));
        sandbox.interfere(902, Interference::Stop).unwrap();
        let died = until(&client, "the death is noticed", |dump| dump.supervisor.restarts == 1).await;
        let ticks_then = actor(&died, 1).ticks;
        assert_eq!(actor(&died, 2).status, Liveness::Restarting);

        let lives = |actor: &ActorStatus| actor.incarnation == 2 && actor.status == Liveness::Running;
        let kept = |dump: &Dump| lives(actor(dump, 2)) && sandbox.is_running(902);
        let respawned = until(&client, "the respawned actor keeps the promise", kept).await;
        let (first, second) = (actor(&respawned, 1), actor(&respawned, 2));
        assert_eq!((first.incarnation, first.restarts, second.restarts), (1, 0, 1));
        assert!(first.ticks > ticks_then, "the other campaign kept ticking: {} after {ticks_then}", first.ticks);
        assert_eq!(campaign(&respawned, 2).state, PhaseWord::ActiveGuarded);
        assert_eq!(respawned.supervisor.restarts, 1);
        let mut reported = Vec::new();
        while reported.len() < 2 {
            let event = tokio::time::timeout(Duration::from_secs(30), events.next()).await.unwrap().unwrap();
            if matches!(event.kind, EventKind::Error { part: Part::Actor, .. }) {
                reported.push("it died");
            } else if event.kind == (EventKind::Recovery { part: Part::Actor }) {
                reported.push("it was respawned");
            }
        }
        assert_eq!(reported, ["it died", "it was respawned"]);
        assert_only_the_second_is_told(&client).await;

        stop.send(()).unwrap();
        daemon.await.unwrap().unwrap();
        assert!(!config.control.socket.exists(), "the socket is removed when the program ends");
    });
}
