-- The amounts of the high-spend policy top-up. NULL for the config's value.
ALTER TABLE campaigns ADD COLUMN top_up_ceiling_micros INTEGER;
ALTER TABLE campaigns ADD COLUMN daily_budget_micros INTEGER;

-- Only the program writes this table. Other programs may read it.

-- What is remembered of a campaign's daily budget on one UTC day, for this trafficstar_id. The columns `counted`,
-- `gathered` and `sent_counted` are JSON objects: a number of clicks for each id of `urls`.
CREATE TABLE day_budgets (
    campaign_id INTEGER PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    trafficstar_id INTEGER NOT NULL,
    day TEXT NOT NULL,
    is_observed INTEGER NOT NULL CHECK (is_observed IN (0, 1)),
    is_set_back INTEGER NOT NULL CHECK (is_set_back IN (0, 1)),
    wait_until TEXT,
    is_paused INTEGER NOT NULL CHECK (is_paused IN (0, 1)),
    counted TEXT,
    gathering_until TEXT,
    gathered TEXT,
    sent_micros INTEGER,
    sent_counted TEXT
) STRICT;

-- A change of the daily budget: the amount before, the amount that was set, and the parts of the sum as a JSON object.
ALTER TABLE journal ADD COLUMN budget_before_micros INTEGER;
ALTER TABLE journal ADD COLUMN budget_after_micros INTEGER;
ALTER TABLE journal ADD COLUMN budget_parts TEXT;
