//! The stream of events, read: server-sent events, of which the program's own server writes each in a few whole lines.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use super::{ANSWER_WITHIN, Break, Client, ClientError, heard, read};
use crate::control::KEEP_ALIVE;
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::OperatorEvent;

/// The library wants a bound on the whole answer, and this one has no end.
const ONE_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// No event is nearly as long: what is has come from something else than a supervisor.
const LONGEST_LINE_BYTES: usize = 1024 * 1024;

/// Events as they happen.
#[derive(Debug)]
pub struct Events {
    answer: Response,
    /// What has come of the next line so far.
    line: Vec<u8>,
    path: PathBuf,
    for_people: bool,
}

impl Client {
    /// What happens from now on, to one campaign or to all.
    pub async fn events(&self, campaign: Option<CampaignId>) -> Result<Events, ClientError> {
        let filter = campaign.map(|id| format!("?campaign={id}")).unwrap_or_default();
        let request = self.http.get(format!("http://localhost/v1/events{filter}")).timeout(ONE_YEAR);
        let lost = || ClientError::Lost(self.path.clone(), Break::TooLong);
        let answer = timeout(ANSWER_WITHIN, request.send()).await.map_err(|_| lost())?;
        let answer = self.accepted(answer).await?;
        Ok(Events { answer, line: Vec::new(), path: self.path.clone(), for_people: self.for_people })
    }
}

impl Events {
    /// The next event. A call that is given up loses nothing.
    ///
    /// # Errors
    /// The supervisor ended, or was silent for too long, or what it says makes no sense.
    pub async fn next(&mut self) -> Result<OperatorEvent, ClientError> {
        loop {
            while let Some(line) = self.take_line() {
                // The event's id and kind are in its data, and comments are there to show that it lives.
                if let Some(data) = line.strip_prefix(b"data:") {
                    return read(&heard(data, self.for_people));
                }
            }
            let lost = |how| ClientError::Lost(self.path.clone(), how);
            let chunk = timeout(KEEP_ALIVE * 3, self.answer.chunk()).await.map_err(|_| lost(Break::TooLong))?;
            match chunk.map_err(|error| lost(Break::of(&error)))? {
                Some(chunk) if self.line.len() + chunk.len() <= LONGEST_LINE_BYTES => self.line.extend(chunk),
                Some(_) | None => return Err(lost(Break::Closed)),
            }
        }
    }

    fn take_line(&mut self) -> Option<Vec<u8>> {
        let end = self.line.iter().position(|byte| *byte == b'\n')?;
        let rest = self.line.split_off(end + 1);
        Some(std::mem::replace(&mut self.line, rest))
    }
}
