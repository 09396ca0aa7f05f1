-- The twin of migrations/postgres: the same tables and columns. A file has one supervisor, who holds a lock on the file
-- beside it: here nobody takes the lease, and the epochs are NULL.
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
