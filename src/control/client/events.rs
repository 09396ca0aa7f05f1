//! Reads the stream of server-sent events. The program's own server writes each event's data on one line.

use std::path::PathBuf;
use std::time::Duration;

use reqwest::Response;
use tokio::time::timeout;

use super::{ANSWER_WITHIN, Break, Client, ClientError, read, shown};
use crate::control::KEEP_ALIVE;
use crate::domain::ids::CampaignId;
use crate::domain::operator_event::OperatorEvent;

/// The time limit of the stream. The library requires a limit, but the stream has no end.
const ONE_YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The longest line. Every event is far shorter: a longer line does not come from a supervisor.
const LONGEST_LINE_BYTES: usize = 1024 * 1024;

/// The open stream of events.
#[derive(Debug)]
pub struct Events {
    answer: Response,
    /// The received part of the next lines.
    line: Vec<u8>,
    path: PathBuf,
    for_people: bool,
}

impl Client {
    /// Opens the stream of events of one campaign or of all.
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
    /// Returns the next event. Cancelling a call loses no event.
    ///
    /// # Errors
    /// The supervisor ended or sent nothing for too long, or its event cannot be read.
    pub async fn next(&mut self) -> Result<OperatorEvent, ClientError> {
        loop {
            while let Some(line) = self.take_line() {
                // Other lines are skipped: the data has the event's id and kind, and comments only keep the stream
                // alive.
                if let Some(data) = line.strip_prefix(b"data:") {
                    return read(&shown(data, self.for_people));
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
