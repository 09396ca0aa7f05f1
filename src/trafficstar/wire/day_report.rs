//! The rows of a report of one campaign's days, page by page. The oldest report, `GET /v1/stats/advertiser/day`, is an
//! object with pages. Its amount is `price` and its day is `date`. The other reports have one page each. PURE.
//!
//! Deliberately absent: the sum of a day, and how amounts are read (`wire::day_spend`).

use serde_json::{Map, Value};

use super::{Fields, WireError, report_rows};

/// One day of a campaign is one row. A report of more pages than this holds other days, too, and would use up the
/// request limit.
const MOST_PAGES: u64 = 10;

/// The rows of the pages read so far.
#[derive(Debug, Default)]
pub struct DayRows {
    rows: Vec<Value>,
}

impl DayRows {
    /// Adds page `page` (from 1). Returns whether another page follows.
    ///
    /// # Errors
    /// It is no report, or its paging does not work. Missing rows would be taken for a spend of 0.
    pub fn take(&mut self, page: u64, answer: &Value) -> Result<bool, WireError> {
        let rows: Vec<Value> = report_rows(answer)?.into_iter().map(with_current_names).collect();
        // A bare array has no pages.
        let Some(map) = answer.as_object() else {
            self.rows.extend(rows);
            return Ok(false);
        };
        let fields = Fields { place: "the report", map };
        if let Some(other) = fields.count("page")?.filter(|other| *other != page) {
            return Err(WireError::CutShort(format!("page {page} was asked for, page {other} came")));
        }
        let pages = fields.count("page_count")?.unwrap_or(1);
        if pages > MOST_PAGES {
            return Err(WireError::CutShort(format!("it has {pages} pages")));
        }
        let is_last = page >= pages;
        if !is_last && rows.is_empty() {
            return Err(WireError::CutShort(format!("page {page} of {pages} is empty")));
        }
        if page > 1 && rows.iter().any(|row| self.rows.contains(row)) {
            return Err(WireError::CutShort(format!("page {page} has rows of an earlier one")));
        }
        self.rows.extend(rows);
        let rows = self.rows.len() as u64;
        match fields.count("count")?.filter(|count| is_last && *count > rows) {
            Some(count) => Err(WireError::CutShort(format!("{rows} of {count} rows came"))),
            None => Ok(!is_last),
        }
    }

    /// Returns all rows, with the field names of the newer reports.
    #[must_use]
    pub fn into_rows(self) -> Value {
        Value::Array(self.rows)
    }
}

/// Renames `date` and `price` to `day` and `amount`.
fn with_current_names(mut row: Value) -> Value {
    if let Value::Object(fields) = &mut row {
        rename(fields, "date", "day");
        rename(fields, "price", "amount");
    }
    row
}

fn rename(fields: &mut Map<String, Value>, old: &str, new: &str) {
    if !fields.contains_key(new)
        && let Some(value) = fields.remove(old)
    {
        fields.insert(new.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use serde_json::json;

    use super::super::day_spend;
    use super::*;
    use crate::domain::spend::SpendReading;

    fn row(day: u32, price: f64) -> Value {
        json!({"price": price, "clicks": 9, "date": format!("2015-01-{day:02}T00:00:00Z")})
    }

    fn page(page: u64, page_count: u64, count: u64, rows: &[Value]) -> Value {
        json!({"count": count, "page": page, "page_count": page_count, "response": rows})
    }

    /// Returns the spend on the first day of the month, by these answers to the requests.
    fn spend(answers: &[Value]) -> Result<SpendReading, String> {
        let mut report = DayRows::default();
        for (number, answer) in (1..).zip(answers) {
            let more = report.take(number, answer).map_err(|error| error.to_string())?;
            assert_eq!(more, number < answers.len() as u64, "after page {number}");
        }
        let day = NaiveDate::from_ymd_opt(2015, 1, 1).unwrap();
        day_spend(&report.into_rows(), day).map_err(|error| error.to_string())
    }

    #[test]
    fn the_spend_is_the_price_of_the_day_on_any_page() {
        let usd = |text: &str| Ok(SpendReading::Value(text.parse().unwrap()));
        let cases = [
            (vec![page(1, 1, 1, &[row(1, 553.6)])], usd("553.6")),
            (vec![page(1, 1, 2, &[row(2, 7.0), row(1, 553.6)])], usd("553.6")),
            (vec![page(1, 2, 2, &[row(2, 7.0)]), page(2, 2, 2, &[row(1, 553.6)])], usd("553.6")),
            (vec![page(1, 1, 1, &[row(2, 7.0)])], Ok(SpendReading::NoValue)),
            (vec![page(1, 0, 0, &[])], Ok(SpendReading::NoValue)),
            (vec![json!({"response": [row(1, 1.5)]})], usd("1.5")),
            (vec![json!([{"day": "2015-01-01", "amount": "2.5"}])], usd("2.5")),
            (vec![json!({"data": {"columns": ["day", "amount"], "rows": [["2015-01-01", "66.27"]]}})], usd("66.27")),
        ];
        for (answers, expected) in cases {
            assert_eq!(spend(&answers), expected, "{answers:?}");
        }
    }

    #[test]
    fn a_report_whose_paging_does_not_work_gives_no_spend() {
        let first = page(1, 2, 2, &[row(2, 7.0)]);
        let cases = [
            (vec![first.clone(), first.clone()], "page 2 was asked for, page 1 came"),
            (vec![json!({"page_count": 2, "response": [row(1, 1.0)]}); 2], "page 2 has rows of an earlier one"),
            (vec![page(1, 2, 2, &[])], "page 1 of 2 is empty"),
            (vec![page(1, 11, 11, &[row(1, 1.0)])], "it has 11 pages"),
            (vec![first, page(2, 2, 3, &[row(1, 1.0)])], "2 of 3 rows came"),
            (vec![json!({"page_count": "two", "response": []})], "`page_count` of the report should be"),
            (vec![json!({"response": [{"price": 1}]})], "`day` of a row of the report should be"),
            (vec![json!({"error": "later"})], "should be an array or a table"),
        ];
        for (answers, expected) in cases {
            let error = spend(&answers).unwrap_err();
            assert!(error.contains(expected), "{error} instead of {expected}");
        }
    }
}
