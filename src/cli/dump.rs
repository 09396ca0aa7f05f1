//! `dump`: the state of the supervisor or of one campaign, as JSON.

use std::io::Write;

use super::target::Target;
use super::{Arguments, CommandError, to_json};

pub(super) async fn dump(arguments: &Arguments, target: Option<&Target>) -> Result<(), CommandError> {
    let client = arguments.client()?;
    let printed = match target {
        Some(target) => to_json(&target.ask(&client, async |id| client.campaign_state(id).await).await?)?,
        None => to_json(&client.state().await?)?,
    };
    writeln!(std::io::stdout().lock(), "{printed}").map_err(CommandError::Print)
}
