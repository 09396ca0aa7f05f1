//! `history`: passes an operator's query of the journal to the database actor, and its answer back.

use actix::prelude::*;

use super::super::answers::{of_database, send_reply};
use super::{ReadJournal, Supervisor};
use crate::control::{Ask, Refusal};
use crate::domain::journal::{JournalEntry, JournalQuery};

impl Supervisor {
    pub(super) fn read_journal(&self, ctx: &mut Context<Self>, ask: Ask<JournalQuery, Vec<JournalEntry>>) {
        let Ask { question, reply } = ask;
        let read = self.rows.read_journal.send(ReadJournal(question));
        ctx.spawn(read.into_actor(self).map(|answer, _, _| {
            let answer = of_database(answer);
            send_reply(reply, answer.map_err(Refusal::NotRead));
        }));
    }
}
