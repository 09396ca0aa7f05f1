//! The conversion between the domain's values and columns, the same for both databases: times, words, counts.

use chrono::{DateTime, NaiveDateTime, SubsecRound, Utc};
use diesel::backend::Backend;
use diesel::deserialize::{self, FromSql, FromSqlRow};
use diesel::expression::AsExpression;
use diesel::pg::Pg;
use diesel::serialize::{self, Output, ToSql};
use diesel::sql_types::{BigInt, Binary, Nullable, Text, Timestamp};
use diesel::sqlite::Sqlite;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as WordError;
use thiserror::Error;

use crate::domain::ids::{CampaignId, RemoteId, UrlId};
use crate::domain::money::{Clicks, Money};
use crate::domain::text::cut;

/// A UTC time, cut to the microseconds that PostgreSQL keeps, so that both databases return the same value.
///
/// SQLite does not check time columns. An invalid value is kept as an error for its own row, so the other rows can be
/// read; [`Place::time`] reports table, row and column.
#[derive(Debug, Clone, AsExpression, FromSqlRow)]
#[diesel(sql_type = Timestamp)]
pub(super) struct Stamp(Result<NaiveDateTime, String>);

impl From<DateTime<Utc>> for Stamp {
    fn from(at: DateTime<Utc>) -> Self {
        Self(Ok(at.naive_utc().trunc_subsecs(6)))
    }
}

impl<DB: Backend> ToSql<Timestamp, DB> for Stamp
where
    NaiveDateTime: ToSql<Timestamp, DB>,
{
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, DB>) -> serialize::Result {
        match &self.0 {
            Ok(time) => time.to_sql(out),
            Err(problem) => Err(problem.as_str().into()),
        }
    }
}

impl<DB: Backend> FromSql<Timestamp, DB> for Stamp
where
    NaiveDateTime: FromSql<Timestamp, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        Ok(Self(NaiveDateTime::from_sql(bytes).map_err(|problem| problem.to_string())))
    }
}

/// An id as diesel reads it. The domain's id types do not depend on diesel, so they are converted from this one.
#[derive(Debug, Clone, Copy, FromSqlRow)]
#[diesel(sql_type = BigInt)]
pub struct Id(i64);

impl<DB: Backend> FromSql<BigInt, DB> for Id
where
    i64: FromSql<BigInt, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        i64::from_sql(bytes).map(Self)
    }
}

impl From<Id> for CampaignId {
    fn from(id: Id) -> Self {
        Self(id.0)
    }
}

impl From<Id> for RemoteId {
    fn from(id: Id) -> Self {
        Self(id.0)
    }
}

impl From<Id> for UrlId {
    fn from(id: Id) -> Self {
        Self(id.0)
    }
}

/// A text that a tracker wrote, or that is read together with rows of other campaigns.
///
/// SQLite does not check that a text is valid UTF-8. Invalid bytes are replaced, so the other rows can be read.
#[derive(Debug, Clone, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct TrackerText(String);

impl FromSql<Text, Sqlite> for TrackerText {
    fn from_sql(bytes: <Sqlite as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        let bytes = <Vec<u8> as FromSql<Binary, Sqlite>>::from_sql(bytes)?;
        Ok(Self(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl FromSql<Text, Pg> for TrackerText {
    fn from_sql(bytes: <Pg as Backend>::RawValue<'_>) -> deserialize::Result<Self> {
        <String as FromSql<Text, Pg>>::from_sql(bytes).map(Self)
    }
}

impl From<TrackerText> for String {
    fn from(text: TrackerText) -> Self {
        text.0
    }
}

/// A name that a tracker wrote. A long name is cut, since every log line about its campaign contains it.
#[derive(Debug, Clone, FromSqlRow)]
#[diesel(sql_type = Text)]
pub struct TrackerName(String);

impl<DB: Backend> FromSql<Text, DB> for TrackerName
where
    TrackerText: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        TrackerText::from_sql(bytes).map(|text| Self(cut(&text.0)))
    }
}

impl From<TrackerName> for String {
    fn from(name: TrackerName) -> Self {
        name.0
    }
}

/// A [`TrackerText`] whose column may be NULL.
#[derive(Debug, Clone, FromSqlRow)]
#[diesel(sql_type = Nullable<Text>)]
pub struct OptionalTrackerText(Option<String>);

impl<DB: Backend> FromSql<Nullable<Text>, DB> for OptionalTrackerText
where
    TrackerText: FromSql<Text, DB>,
{
    fn from_sql(bytes: DB::RawValue<'_>) -> deserialize::Result<Self> {
        TrackerText::from_sql(bytes).map(|text| Self(Some(text.0)))
    }

    fn from_nullable_sql(bytes: Option<DB::RawValue<'_>>) -> deserialize::Result<Self> {
        bytes.map_or(Ok(Self(None)), Self::from_sql)
    }
}

impl From<OptionalTrackerText> for Option<String> {
    fn from(text: OptionalTrackerText) -> Self {
        text.0
    }
}

/// A stored value of the program's own that cannot be read: a newer version or another program wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("table {table}, row {row}, column {column}: {problem}; correct the value, or delete the row")]
pub struct BadValue {
    /// The table's name.
    pub table: &'static str,
    /// The row's key.
    pub row: i64,
    /// The column's name.
    pub column: &'static str,
    /// The value and what is wrong with it.
    pub problem: String,
}

/// The table and row of a stored value, for errors about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) table: &'static str,
    pub(super) row: i64,
}

impl Place {
    /// Returns the domain's value for a stored word. serde defines the words, for the tables as for the dump.
    pub(super) fn word<'a, T: Deserialize<'a>>(self, column: &'static str, word: &'a str) -> Result<T, BadValue> {
        T::deserialize(IntoDeserializer::<WordError>::into_deserializer(word))
            .map_err(|problem| self.bad(column, problem.to_string()))
    }

    pub(super) fn money(self, column: &'static str, micros: i64) -> Result<Money, BadValue> {
        Money::from_micros(micros).ok_or_else(|| self.bad(column, format!("{micros} is below zero")))
    }

    pub(super) fn clicks(self, column: &'static str, clicks: i64) -> Result<Clicks, BadValue> {
        u64::try_from(clicks).map(Clicks).map_err(|_| self.bad(column, format!("{clicks} is below zero")))
    }

    pub(super) fn time(self, column: &'static str, stamp: Stamp) -> Result<DateTime<Utc>, BadValue> {
        stamp.0.map(|time| time.and_utc()).map_err(|problem| self.bad(column, problem))
    }

    /// Like [`Place::time`], for a column that may be NULL.
    pub(super) fn time_if_any(
        self,
        column: &'static str,
        stamp: Option<Stamp>,
    ) -> Result<Option<DateTime<Utc>>, BadValue> {
        stamp.map(|stamp| self.time(column, stamp)).transpose()
    }

    pub(super) fn bad(self, column: &'static str, problem: impl Into<String>) -> BadValue {
        BadValue { table: self.table, row: self.row, column, problem: problem.into() }
    }
}

/// Converts a count for a column. A count that is too large becomes the column's largest number.
pub(super) fn column_clicks(clicks: Clicks) -> i64 {
    i64::try_from(clicks.0).unwrap_or(i64::MAX)
}
