//! Requests about alerts.

use reqwest::Method;

use super::{Client, ClientError};
use crate::control::{AlertView, Alerts, MuteBody, TestAlert, TestResult};
use crate::domain::alert::{Mute, OccasionId};

impl Client {
    /// Reads the alerts, the receivers and the mutes.
    pub async fn alerts(&self) -> Result<Alerts, ClientError> {
        self.get("/v1/alerts").await
    }

    /// Takes an alert over.
    pub async fn ack(&self, id: OccasionId) -> Result<AlertView, ClientError> {
        self.order(Method::POST, &format!("/v1/alerts/{id}/ack"), &()).await
    }

    /// Mutes alerts; returns the mutes in force.
    pub async fn mute(&self, body: &MuteBody) -> Result<Vec<Mute>, ClientError> {
        self.order(Method::PUT, "/v1/alerts/mute", body).await
    }

    /// Sends test messages.
    pub async fn test_alerts(&self, body: &TestAlert) -> Result<Vec<TestResult>, ClientError> {
        self.order(Method::POST, "/v1/alerts/test", body).await
    }
}
