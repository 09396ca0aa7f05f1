//! Answers from a program on the control socket that is no supervisor, or a supervisor of another version.

use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::runtime::Runtime;
use traffic_generator::control::client::Client;
use traffic_generator::domain::ids::CampaignId;
use traffic_generator::domain::journal::JournalQuery;

use super::peers::{answer_each, locked, runtime};
use super::served::outlive_closed_pipes;

/// The longest time for all requests. A local answer takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(30);
const ID: CampaignId = CampaignId(1);

/// Every request ends, with an answer or with an error of bounded length.
pub fn check(bytes: &[u8]) {
    static SERVER: OnceLock<Mutex<Server>> = OnceLock::new();
    let server = locked(SERVER.get_or_init(|| Mutex::new(Server::start())));
    *locked(&server.answer) = bytes.to_vec();
    let start = Instant::now();
    server.runtime.block_on(ask(&server.client, bytes.len()));
    assert!(start.elapsed() < PATIENCE, "it took {:?}", start.elapsed());
}

struct Server {
    answer: Arc<Mutex<Vec<u8>>>,
    client: Client,
    runtime: Runtime,
    _folder: TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
        let said = Arc::clone(&answer);
        // The client's requests have no body.
        let is_whole = |request: &[u8]| request.ends_with(b"\r\n\r\n");
        std::thread::spawn(move || answer_each(listener.incoming(), is_whole, move |_| locked(&said).clone()));
        let runtime = runtime();
        let client = runtime.block_on(async {
            outlive_closed_pipes();
            Client::new(&path)
        });
        let client = client.expect("a client");
        Self { answer, client, runtime, _folder: folder }
    }
}

async fn ask(client: &Client, length: usize) {
    read(client.state().await.map(drop));
    read(client.campaign_state(ID).await.map(drop));
    read(client.campaigns().await.map(drop));
    read(client.urls(ID).await.map(drop));
    read(client.explain(ID).await.map(drop));
    read(client.journal(JournalQuery::default()).await.map(drop));
    let Some(mut events) = read(client.events(Some(ID)).await) else { return };
    let mut heard = 0;
    while read(events.next().await).is_some() {
        heard += 1;
        assert!(heard <= length, "more events than were sent");
    }
}

fn read<T>(answer: Result<T, traffic_generator::control::client::ClientError>) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            // A refusal has the peer's own text, which may be empty.
            assert!(error.to_string().len() < 1 << 20, "{error}");
            None
        }
    }
}
