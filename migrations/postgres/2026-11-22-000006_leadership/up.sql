-- Which of the supervisors on this database leads: always one row. The epoch is the number of the leadership. It is a
-- key, so that a leader's transaction (FOR KEY SHARE) delays the next leadership, but no heartbeat.
CREATE TABLE leadership (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    epoch BIGINT NOT NULL UNIQUE,
    beats BIGINT NOT NULL,
    -- The unique name of the process that leads. NULL if the lease was given up or never taken.
    holder TEXT,
    host TEXT,
    pid BIGINT,
    since TIMESTAMP,
    ends_at TIMESTAMP
);

INSERT INTO leadership (id, epoch, beats) VALUES (1, 0, 0);

-- The leadership in which the entry was decided.
ALTER TABLE journal ADD COLUMN epoch BIGINT;
