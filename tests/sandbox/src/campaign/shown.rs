//! The campaign object of the API's answers.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::spec::SpendForm;
use super::{Campaign, words};
use crate::amount::Amount;
use crate::options::Options;

const HOURS_OF_A_WEEK: usize = 168;

impl Campaign {
    /// Returns the campaign object: the fields that clients need, and some of the sixty others.
    pub(crate) fn to_json(&self, now: DateTime<Utc>, options: &Options) -> Value {
        let spec = &self.spec;
        let active = self.old_view.as_ref().map_or(spec.active, |old| old.active);
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
        put("id", json!(spec.id));
        put("name", json!(spec.name));
        put("active", json!(active));
        put("status", json!(self.shown_status(now, options)));
        if active && spec.is_unfunded() {
            put("stopped", json!(words::NO_FUNDS));
        }
        put("approved", json!(spec.approved));
        put("no_funds", json!(spec.no_funds));
        put("is_archived", json!(spec.archived));
        put("schedule_start_time", Value::Null);
        put("schedule_end_time", json!(spec.schedule_end_time));
        put("schedule_timezone", json!(spec.schedule_timezone));
        put("schedule_days_of_week", json!([1, 2, 3, 4, 5, 6, 7]));
        put("timezone", json!(spec.timezone));
        put("max_daily", spec.max_daily.to_number());
        put("total_budget", json!(0));
        put("use_total_budget", json!(false));
        put("hours_targeting", json!("1".repeat(HOURS_OF_A_WEEK)));
        put("pricing_model", json!("cpm"));
        put("price", json!(0.051));
        put("frequency", json!({"count": 1, "period_hours": 24}));
        put("countries", json!(["US", "CA"]));
        put("creatives_count", json!(3));
        // The live API also sends personal data.
        put("user", json!({"id": 90210, "email": "owner@example.com"}));
        put("updated_at", json!(self.updated_at.format("%Y-%m-%dT%H:%M:%SZ").to_string()));
        if let Some(spend) = self.counter(now, options) {
            put(spec.spend_key, written(spend, spec.spend_form));
        }
        for (name, value) in &spec.overrides {
            match value {
                Some(value) => fields.insert(name.clone(), value.clone()),
                None => fields.remove(name),
            };
        }
        Value::Object(fields)
    }

    fn shown_status<'a>(&'a self, now: DateTime<Utc>, options: &'a Options) -> &'a str {
        let word = self.old_view.as_ref().map_or(&self.spec.status, |old| &old.status);
        let stopped_by_budget = self.spec.active && !self.spec.is_blocked() && self.has_used_budget(now);
        options.daily_budget_word.as_ref().filter(|_| stopped_by_budget).unwrap_or(word)
    }

    /// Returns the value of the field of today's spend. Without spend today the field is missing, as the live API was
    /// seen to do. For a while after midnight the field still shows the spend of the day before.
    fn counter(&self, now: DateTime<Utc>, options: &Options) -> Option<Amount> {
        let since_midnight = now.time().signed_duration_since(chrono::NaiveTime::MIN);
        let lags = since_midnight.to_std().is_ok_and(|passed| passed < options.counter_falls_after);
        let yesterday = || now.date_naive().pred_opt().and_then(|day| self.spent_on(day));
        lags.then(yesterday).flatten().or_else(|| self.spent_on(now.date_naive()))
    }
}

fn written(amount: Amount, form: SpendForm) -> Value {
    match form {
        SpendForm::Cents => amount.rounded_to_cents().to_number(),
        SpendForm::Exact => amount.to_number(),
        SpendForm::Text => json!(amount.to_string()),
        SpendForm::DollarText => json!(format!("${amount}")),
    }
}
