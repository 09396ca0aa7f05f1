//! Whether the database can be written, found out without a trace.

use diesel::prelude::*;

use super::Store;
use super::error::StoreError;
use super::pools::db_write;
use super::schema::campaigns;

impl Store {
    /// Begins to write, changes nothing, and ends it.
    ///
    /// # Errors
    /// Nothing can be written now: see [`StoreError::is_locked`] for what may pass.
    pub async fn try_to_write(&self) -> Result<(), StoreError> {
        let tried = db_write!(self, move |connection| {
            // No row is without an id. A server that is read-only refuses even that.
            let nothing = campaigns::table.filter(campaigns::id.is_null());
            diesel::update(nothing).set(campaigns::name.eq(campaigns::name)).execute(connection)?;
            Ok(())
        });
        tried.map_err(StoreError::TryToWrite)
    }
}
