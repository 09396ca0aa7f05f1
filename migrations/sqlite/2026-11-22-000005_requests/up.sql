-- How many requests left for TrafficStars in which second of the Unix epoch: a supervisor that starts within a minute of
-- another one's end counts them against the limit. Rows of the last minutes alone.
CREATE TABLE requests_sent (
    unix_second BIGINT NOT NULL PRIMARY KEY,
    requests BIGINT NOT NULL
);
