-- Only the program writes these tables. Other programs may read them.

-- The occasions of alerts: for each one when it began and, if it lasts, when it was resolved. campaign_id is 0 for an
-- occasion that is not about one campaign. There is no foreign key, since an occasion outlives its campaign.
CREATE TABLE occasions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    campaign_id INTEGER NOT NULL,
    campaign_name TEXT,
    trafficstar_id INTEGER,
    kind TEXT NOT NULL,
    detail TEXT NOT NULL,
    severity TEXT NOT NULL,
    text TEXT NOT NULL,
    lasts INTEGER NOT NULL CHECK (lasts IN (0, 1)),
    since TEXT NOT NULL,
    resolved_at TEXT,
    acked_at TEXT,
    acked_by TEXT,
    settled INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1))
) STRICT;

CREATE INDEX occasions_by_campaign ON occasions (campaign_id, kind);
-- Settled: it is over, and each receiver has it, or does not want it.
CREATE INDEX occasions_unsettled ON occasions (id) WHERE settled = 0;

-- The last step of an occasion that a receiver was told, or is about to be told: firing, reminder or resolved. Occasions
-- that were gathered into one message have the same message_id.
CREATE TABLE alert_deliveries (
    occasion_id INTEGER NOT NULL REFERENCES occasions (id) ON DELETE CASCADE,
    receiver TEXT NOT NULL,
    step TEXT NOT NULL,
    reminders INTEGER NOT NULL,
    message_id TEXT NOT NULL,
    gathered_at TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    last_sent_at TEXT,
    next_attempt_at TEXT,
    delivered_at TEXT,
    given_up_at TEXT,
    error TEXT,
    PRIMARY KEY (occasion_id, receiver)
) STRICT, WITHOUT ROWID;

-- What is known of each receiver in the config: since when it exists, whether it has had enough (410), how it fails.
CREATE TABLE alert_receivers (
    name TEXT PRIMARY KEY,
    since TEXT NOT NULL,
    disabled_at TEXT,
    failing_since TEXT,
    last_error TEXT,
    delivered_at TEXT,
    lost INTEGER NOT NULL
) STRICT;

-- No alert of this campaign, or with campaign_id 0 no alert at all, is sent until then.
CREATE TABLE alert_mutes (
    campaign_id INTEGER PRIMARY KEY,
    since TEXT NOT NULL,
    until TEXT NOT NULL,
    reason TEXT,
    "by" TEXT
) STRICT;
