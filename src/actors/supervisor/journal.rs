//! Operators' questions to the journal: handed to the database actor, and answered when it answers.

use actix::prelude::*;

use super::{ReadJournal, Supervisor};
use crate::control::{Ask, Refusal};
use crate::domain::journal::{JournalEntry, JournalQuery};

impl Supervisor {
    pub(super) fn read_journal(&self, ctx: &mut Context<Self>, ask: Ask<JournalQuery, Vec<JournalEntry>>) {
        let Ask { question, reply } = ask;
        let read = self.rows.read_journal.send(ReadJournal(question));
        ctx.spawn(read.into_actor(self).map(|answer, _, _| {
            let answer = answer.unwrap_or_else(|gone| Err(format!("the database actor is gone: {gone}")));
            // Whoever asked may be gone.
            let _ = reply.send(answer.map_err(Refusal::Failed));
        }));
    }
}
