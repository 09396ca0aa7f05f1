//! `sandbox serve`: the API by itself.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use sandbox::{Amount, CampaignSpec, Options, Sandbox};

const PORT: u16 = 8080;
const FIRST_ID: i64 = 1001;
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// So many campaigns are named at the start.
const NAMED: usize = 20;
const KEEP_REQUESTS: usize = 10_000;

/// What the API is like.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The port on 127.0.0.1; 0 takes any free one.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// The API key that is accepted.
    #[arg(long, default_value = "sandbox-api-key")]
    api_key: String,
    /// The rate limit.
    #[arg(long, default_value_t = 100)]
    requests_per_minute: usize,
    /// How many campaigns there are, of ids from 1001 on; every other one runs.
    #[arg(long, default_value_t = 4)]
    campaigns: u16,
    /// The Traffic Generator's SQLite database: the visitors of running campaigns click there.
    #[arg(long)]
    database: Option<PathBuf>,
    /// How many seconds of spending and clicking pass in one second.
    #[arg(long, default_value_t = 1)]
    speed: u32,
}

/// What `--help` ends with.
pub(crate) fn examples() -> String {
    let examples = sandbox::curl_examples(&format!("http://127.0.0.1:{PORT}"));
    format!(
        "Play by hand while it runs, from another terminal. What is refused says why; every answer is JSON. In this\n\
         order each of these works with the four campaigns of the start:\n\n{examples}"
    )
}

pub(crate) async fn serve(arguments: Arguments) -> Result<(), Box<dyn Error>> {
    let api_key = arguments.api_key.clone();
    let sandbox = Sandbox::start_in_thread(Options {
        port: arguments.port,
        api_key: arguments.api_key,
        requests_per_minute: arguments.requests_per_minute,
        database: arguments.database,
        speed: arguments.speed,
        keep_requests: KEEP_REQUESTS,
        ..Options::default()
    })?;
    let (count, url) = (arguments.campaigns, sandbox.base_url());
    println!("A TrafficStars API listens on {url}, with {count} campaigns:");
    for (position, id) in (FIRST_ID..).take(arguments.campaigns.into()).enumerate() {
        let runs = id % 2 == 0;
        let spec = if runs { CampaignSpec::running(id) } else { CampaignSpec::paused(id) };
        if position < NAMED {
            println!("  {id}  {}, {}", spec.name, if runs { "runs" } else { "is paused" });
        }
        sandbox.add_campaign(CampaignSpec { spend_per_second: Amount::cents(1), clicks_per_second: 50, ..spec });
    }
    if usize::from(count) > NAMED {
        println!("  and so on; `traffic-generator account` lists all of them");
    }
    println!("To guard them, set");
    println!("  in config.toml, section [trafficstar]: base_url = \"{url}\"");
    println!("  in the environment:                    TRAFFICSTAR_API_KEY={api_key}");
    println!(
        "and add them by `traffic-generator campaign add {FIRST_ID}`. To play by hand what happens at TrafficStars,"
    );
    println!("  in another terminal:                   curl {url}/sandbox");
    println!("Ctrl-C ends it. Requests as they come:");

    let mut seen = 0;
    let mut clock = tokio::time::interval(LOOK_EVERY);
    let interrupted = crate::interrupted();
    tokio::pin!(interrupted);
    loop {
        tokio::select! {
            result = &mut interrupted => return Ok(result?),
            _ = clock.tick() => {}
        }
        let requests = sandbox.requests_after(seen);
        for request in requests.iter().take_while(|request| request.answered_at.is_some()) {
            println!("{request}");
            seen = request.sequence;
        }
    }
}
