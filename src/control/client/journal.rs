//! The journal, asked for.

use reqwest::Method;

use super::{Client, ClientError, read};
use crate::domain::journal::{JournalEntry, JournalQuery};

impl Client {
    /// The journal's entries that fit, newest first.
    ///
    /// # Errors
    /// As [`Client::state`], and a database that does not answer.
    pub async fn journal(&self, query: JournalQuery) -> Result<Vec<JournalEntry>, ClientError> {
        let JournalQuery { campaign, since, limit } = query;
        let mut parameters = url::form_urlencoded::Serializer::new(String::new());
        parameters.append_pair("limit", &limit.to_string());
        if let Some(campaign) = campaign {
            parameters.append_pair("campaign", &campaign.to_string());
        }
        if let Some(since) = since {
            parameters.append_pair("since", &since.to_rfc3339());
        }
        read(&self.send(Method::GET, &format!("/v1/journal?{}", parameters.finish()), None::<()>).await?.1)
    }
}
