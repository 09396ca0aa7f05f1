-- The journal is read newest first, and from a time on.
CREATE INDEX journal_by_time ON journal (requested_at, id);
