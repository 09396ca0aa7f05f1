-- What a SQLite database has had more after migration 000004 than after 000002. Frozen: never to be changed.
INSERT INTO "__diesel_schema_migrations" VALUES('20261122000004','2026-11-22 12:00:00');
CREATE INDEX journal_by_time ON journal (requested_at, id);
