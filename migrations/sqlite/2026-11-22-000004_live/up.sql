-- For reading the journal from a time on, the newest entries first.
CREATE INDEX journal_by_time ON journal (requested_at, id);
