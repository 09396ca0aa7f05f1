-- Who leads among the supervisors on this database: one row, for ever. The epoch counts the reigns. It is a key, so that a
-- transaction that stores something in its name (FOR KEY SHARE) holds off the next reign and no heartbeat.
CREATE TABLE leadership (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL UNIQUE,
    beats BIGINT NOT NULL,
    -- Names the process; NULL: the lease was given up, or nobody ever had it.
    holder TEXT,
    host TEXT,
    pid BIGINT,
    since TIMESTAMP,
    ends_at TIMESTAMP
);

INSERT INTO leadership (id, epoch, beats) VALUES (1, 0, 0);

-- In which reign it was decided.
ALTER TABLE journal ADD COLUMN epoch BIGINT;
