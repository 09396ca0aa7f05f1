-- The amounts of the high-spend policy top-up. NULL for the config's value.
ALTER TABLE campaigns ADD COLUMN top_up_ceiling_micros BIGINT;
ALTER TABLE campaigns ADD COLUMN daily_budget_micros BIGINT;

-- Only the program writes this table. Other programs may read it.

-- What is remembered of a campaign's daily budget on one UTC day, for this trafficstar_id. The columns `counted`,
-- `gathered` and `sent_counted` are JSON objects: a number of clicks for each id of `urls`.
CREATE TABLE day_budgets (
    campaign_id BIGINT PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    trafficstar_id BIGINT NOT NULL,
    day DATE NOT NULL,
    is_observed BOOLEAN NOT NULL,
    is_set_back BOOLEAN NOT NULL,
    wait_until TIMESTAMP,
    is_paused BOOLEAN NOT NULL,
    counted TEXT,
    gathering_until TIMESTAMP,
    gathered TEXT,
    sent_micros BIGINT,
    sent_counted TEXT
);

-- A change of the daily budget: the amount before, the amount that was set, and the parts of the sum as a JSON object.
ALTER TABLE journal ADD COLUMN budget_before_micros BIGINT;
ALTER TABLE journal ADD COLUMN budget_after_micros BIGINT;
ALTER TABLE journal ADD COLUMN budget_parts TEXT;
