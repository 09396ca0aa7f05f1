-- The number of requests sent to TrafficStars in each second of the Unix epoch. A supervisor that starts within a
-- minute after another one ended counts them against the limit. Only the rows of the last minutes are kept.
CREATE TABLE requests_sent (
    unix_second BIGINT NOT NULL PRIMARY KEY,
    requests BIGINT NOT NULL
);
