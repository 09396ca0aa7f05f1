-- The twin of migrations/sqlite: the same tables and columns.

-- Operators' holds: a row for each campaign that is on hold, one whose time is up included until its next tick.
CREATE TABLE holds (
    campaign_id BIGINT PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    reason TEXT,
    since TIMESTAMP NOT NULL,
    until TIMESTAMP,
    "by" TEXT,
    pause BOOLEAN NOT NULL
);

-- The hold on all campaigns: one row, or none. Whoever writes it orders a running supervisor, too.
CREATE TABLE hold_on_all (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    reason TEXT,
    since TIMESTAMP NOT NULL,
    until TIMESTAMP,
    "by" TEXT,
    pause BOOLEAN NOT NULL
);
