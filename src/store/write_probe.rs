//! A test whether the database can be written. It changes nothing.

use diesel::prelude::*;

use super::Store;
use super::error::StoreError;
use super::pools::db_write;
use super::schema::campaigns;

impl Store {
    /// Runs a write transaction that changes no row.
    ///
    /// # Errors
    /// The database cannot be written now. [`StoreError::is_locked`] says whether the cause is temporary.
    pub async fn try_to_write(&self) -> Result<(), StoreError> {
        let tried = db_write!(self, move |connection| {
            // Every row has an id, so this update matches none. A read-only server refuses it nevertheless.
            let nothing = campaigns::table.filter(campaigns::id.is_null());
            diesel::update(nothing).set(campaigns::name.eq(campaigns::name)).execute(connection)?;
            Ok(())
        });
        tried.map_err(StoreError::TryToWrite)
    }
}
