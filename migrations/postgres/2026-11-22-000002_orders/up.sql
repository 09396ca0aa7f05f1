-- The same tables and columns as in migrations/sqlite.

-- Operators' holds: one row for each campaign on hold. An expired hold stays until the campaign's next tick.
CREATE TABLE holds (
    campaign_id BIGINT PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    reason TEXT,
    since TIMESTAMP NOT NULL,
    until TIMESTAMP,
    "by" TEXT,
    pause BOOLEAN NOT NULL
);

-- The hold on all campaigns: at most one row. A running supervisor obeys this row, too, if another process writes it.
CREATE TABLE hold_on_all (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    reason TEXT,
    since TIMESTAMP NOT NULL,
    until TIMESTAMP,
    "by" TEXT,
    pause BOOLEAN NOT NULL
);
