-- The program's own tables: for reading only.

-- Operators' holds: a row for each campaign that is on hold, one whose time is up included until its next tick.
CREATE TABLE holds (
    campaign_id INTEGER PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    reason TEXT,
    since TEXT NOT NULL,
    until TEXT,
    "by" TEXT,
    pause INTEGER NOT NULL CHECK (pause IN (0, 1))
) STRICT;

-- The hold on all campaigns: one row, or none. Whoever writes it orders a running supervisor, too.
CREATE TABLE hold_on_all (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reason TEXT,
    since TEXT NOT NULL,
    until TEXT,
    "by" TEXT,
    pause INTEGER NOT NULL CHECK (pause IN (0, 1))
) STRICT;
