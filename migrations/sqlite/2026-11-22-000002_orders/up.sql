-- Only the program writes these tables. Other programs may read them.

-- Operators' holds: one row for each campaign on hold. An expired hold stays until the campaign's next tick.
CREATE TABLE holds (
    campaign_id INTEGER PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    reason TEXT,
    since TEXT NOT NULL,
    until TEXT,
    "by" TEXT,
    pause INTEGER NOT NULL CHECK (pause IN (0, 1))
) STRICT;

-- The hold on all campaigns: at most one row. A running supervisor obeys this row, too, if another process writes it.
CREATE TABLE hold_on_all (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reason TEXT,
    since TEXT NOT NULL,
    until TEXT,
    "by" TEXT,
    pause INTEGER NOT NULL CHECK (pause IN (0, 1))
) STRICT;
