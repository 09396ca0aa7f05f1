-- The same tables and columns as in migrations/postgres. A file has only one supervisor, which holds a lock on the file
-- beside it. So no supervisor takes the lease on SQLite, and the epochs in the journal are NULL.
CREATE TABLE leadership (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL UNIQUE,
    beats INTEGER NOT NULL,
    holder TEXT,
    host TEXT,
    pid INTEGER,
    since TEXT,
    ends_at TEXT
) STRICT;

INSERT INTO leadership (id, epoch, beats) VALUES (1, 0, 0);

ALTER TABLE journal ADD COLUMN epoch INTEGER;
