-- Times are UTC text like `2026-11-22 12:00:00.123456`, as CURRENT_TIMESTAMP writes it. Amounts of money are in
-- millionths of the currency unit. AUTOINCREMENT gives each id only once, so that a new campaign never gets the journal
-- of a deleted one.

-- Trackers and operators write these two tables. There are no constraints on words and numbers: the program reports an
-- invalid value to the operator, while a constraint would only make the tracker's write fail.
CREATE TABLE campaigns (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    trafficstar_id INTEGER NOT NULL UNIQUE,
    generator_enabled INTEGER NOT NULL DEFAULT 0 CHECK (generator_enabled IN (0, 1)),
    mode TEXT,
    spend_limit_micros INTEGER,
    activate_clicks INTEGER,
    pause_clicks INTEGER,
    cooldown_seconds INTEGER,
    high_spend TEXT,
    price_per_thousand_micros INTEGER,
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

CREATE TABLE urls (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign_id INTEGER NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    target_url TEXT NOT NULL,
    click_limit INTEGER NOT NULL,
    clicks INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL DEFAULT 'active',
    created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    updated_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
) STRICT;

CREATE INDEX urls_by_campaign ON urls (campaign_id);

-- Only the program writes these tables. Other programs may read them.

-- A promise is for this trafficstar_id. A campaign that is linked to another trafficstar_id starts without a promise.
CREATE TABLE promises (
    campaign_id INTEGER PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    trafficstar_id INTEGER NOT NULL,
    phase TEXT NOT NULL,
    since TEXT NOT NULL,
    cooling_down_until TEXT,
    end_time_owed INTEGER NOT NULL CHECK (end_time_owed IN (0, 1)),
    stored_at TEXT NOT NULL
) STRICT;

-- Each decision with its reason. A row is written once. There is no foreign key, since an entry outlives its campaign.
CREATE TABLE journal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign_id INTEGER NOT NULL,
    trafficstar_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    reason TEXT NOT NULL,
    spend_micros INTEGER,
    remaining_clicks INTEGER,
    remote_status TEXT NOT NULL,
    state_before TEXT NOT NULL,
    state_after TEXT NOT NULL,
    end_time TEXT NOT NULL,
    "by" TEXT,
    late INTEGER NOT NULL CHECK (late IN (0, 1)),
    requested_at TEXT NOT NULL
) STRICT;

CREATE INDEX journal_by_campaign ON journal (campaign_id, id);

-- The progress of each journal entry: one row per entry, inserted with it and updated later.
CREATE TABLE journal_steps (
    journal_id INTEGER PRIMARY KEY REFERENCES journal (id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    accepted_at TEXT,
    confirmed_at TEXT,
    failed_at TEXT,
    error TEXT
) STRICT;

-- A new actor reads its unfinished entries, which are only a few of all entries.
CREATE INDEX journal_steps_unfinished ON journal_steps (journal_id) WHERE step IN ('requested', 'accepted');

CREATE TABLE spends (
    campaign_id INTEGER NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    day TEXT NOT NULL,
    trafficstar_id INTEGER NOT NULL,
    amount_micros INTEGER NOT NULL CHECK (amount_micros >= 0),
    source TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (campaign_id, day)
) STRICT, WITHOUT ROWID;
