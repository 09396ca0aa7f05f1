//! `sandbox serve`: the API alone.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use sandbox::{Amount, CampaignSpec, Options, Sandbox};

const PORT: u16 = 8080;
const FIRST_ID: i64 = 1001;
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The most campaigns that are listed at the start.
const NAMED: usize = 20;
const KEEP_REQUESTS: usize = 10_000;

/// The arguments of `sandbox serve`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The port on 127.0.0.1; 0 takes any free port.
    #[arg(long, default_value_t = PORT)]
    port: u16,
    /// The API key that the API accepts.
    #[arg(long, default_value = "sandbox-api-key")]
    api_key: String,
    /// The rate limit: further requests are answered with 429.
    #[arg(long, default_value_t = 100)]
    requests_per_minute: usize,
    /// The number of campaigns; their ids begin with 1001, and every second one runs.
    #[arg(long, default_value_t = 4)]
    campaigns: u16,
    /// The Traffic Generator's SQLite database, in which the clicks of visitors are counted.
    #[arg(long)]
    database: Option<PathBuf>,
    /// The number of seconds of spending and clicking that pass in one second.
    #[arg(long, default_value_t = 1)]
    speed: u32,
}

/// Returns the examples at the end of `--help`.
pub(crate) fn examples() -> String {
    let examples = sandbox::curl_examples(&format!("http://127.0.0.1:{PORT}"));
    format!(
        "While it runs, send these commands from another terminal. Every answer is JSON, and a refusal says why.\n\
         In this order, each of them works with the four campaigns of the start:\n\n{examples}"
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
    println!("and add them by `traffic-generator campaign add {FIRST_ID}`. To change what happens at TrafficStars,");
    println!("  in another terminal:                   curl {url}/sandbox");
    println!("Ctrl-C ends it. The requests that arrive:");

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
