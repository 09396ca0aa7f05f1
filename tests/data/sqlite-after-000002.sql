-- A SQLite database as the program left it after its migration 000002. Frozen: never to be changed.

BEGIN TRANSACTION;
CREATE TABLE __diesel_schema_migrations (
       version VARCHAR(50) PRIMARY KEY NOT NULL,
       run_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
);
INSERT INTO "__diesel_schema_migrations" VALUES('20261122000001','2026-11-22 12:00:00');
INSERT INTO "__diesel_schema_migrations" VALUES('20261122000002','2026-11-22 12:00:00');
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
INSERT INTO "campaigns" VALUES(1,'shoes',995001,1,NULL,NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-01 08:00:00','2026-11-01 08:00:00');
INSERT INTO "campaigns" VALUES(2,'travel',995002,1,'act',NULL,NULL,NULL,NULL,NULL,NULL,'2026-11-01 08:00:01','2026-11-02 09:30:00');
INSERT INTO "campaigns" VALUES(3,'garden "tools"; ünïcode',995003,0,'observe',25000000,20000,7000,180,'observe',1250000,'2026-11-01 08:00:02','2026-11-03 10:00:00');
CREATE TABLE hold_on_all (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    reason TEXT,
    since TEXT NOT NULL,
    until TEXT,
    "by" TEXT,
    pause INTEGER NOT NULL CHECK (pause IN (0, 1))
) STRICT;
CREATE TABLE holds (
    campaign_id INTEGER PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    reason TEXT,
    since TEXT NOT NULL,
    until TEXT,
    "by" TEXT,
    pause INTEGER NOT NULL CHECK (pause IN (0, 1))
) STRICT;
INSERT INTO "holds" VALUES(3,'new creatives','2026-11-20 08:10:00',NULL,'1000 (anna)',1);
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
INSERT INTO "journal" VALUES(1,1,995001,'activate','tick','20,000 clicks left, 15,000 or more run it',0,20000,'stopped','idle','active-guarded','2026-11-20 23:59:00',NULL,0,'2026-11-20 08:00:00.123456');
INSERT INTO "journal" VALUES(2,2,995002,'pause','force','an operator''s order',NULL,NULL,'running','idle','cooling-down','2026-11-20 08:00:00','1000 (anna)',0,'2026-11-20 08:00:00.654321');
INSERT INTO "journal" VALUES(3,2,995002,'set-end-time','recovery','the end time of the pause',1230000,4000,'stopped','cooling-down','cooling-down','2026-11-20 08:00:05',NULL,1,'2026-11-20 08:00:05');
INSERT INTO "journal" VALUES(4,4711,995004,'activate','tick','of a campaign that is gone',0,15000,'stopped','idle','active-guarded','2026-11-20 23:59:00',NULL,0,'2026-11-20 08:00:06');
CREATE TABLE journal_steps (
    journal_id INTEGER PRIMARY KEY REFERENCES journal (id) ON DELETE CASCADE,
    step TEXT NOT NULL,
    accepted_at TEXT,
    confirmed_at TEXT,
    failed_at TEXT,
    error TEXT
) STRICT;
INSERT INTO "journal_steps" VALUES(1,'confirmed','2026-11-20 08:00:01','2026-11-20 08:00:03',NULL,NULL);
INSERT INTO "journal_steps" VALUES(2,'confirmed','2026-11-20 08:00:01','2026-11-20 08:00:03',NULL,NULL);
INSERT INTO "journal_steps" VALUES(3,'failed',NULL,NULL,'2026-11-20 08:00:20','the request was not sent');
INSERT INTO "journal_steps" VALUES(4,'observed-only',NULL,NULL,NULL,NULL);
CREATE TABLE promises (
    campaign_id INTEGER PRIMARY KEY REFERENCES campaigns (id) ON DELETE CASCADE,
    trafficstar_id INTEGER NOT NULL,
    phase TEXT NOT NULL,
    since TEXT NOT NULL,
    cooling_down_until TEXT,
    end_time_owed INTEGER NOT NULL CHECK (end_time_owed IN (0, 1)),
    stored_at TEXT NOT NULL
) STRICT;
INSERT INTO "promises" VALUES(1,995001,'active-guarded','2026-11-20 08:00:00.123456',NULL,0,'2026-11-20 08:00:00.223456');
INSERT INTO "promises" VALUES(2,995002,'paused-guarded','2026-11-20 08:02:00.123456',NULL,0,'2026-11-20 08:02:00.223456');
CREATE TABLE spends (
    campaign_id INTEGER NOT NULL REFERENCES campaigns (id) ON DELETE CASCADE,
    day TEXT NOT NULL,
    trafficstar_id INTEGER NOT NULL,
    amount_micros INTEGER NOT NULL CHECK (amount_micros >= 0),
    source TEXT NOT NULL,
    at TEXT NOT NULL,
    PRIMARY KEY (campaign_id, day)
) STRICT, WITHOUT ROWID;
INSERT INTO "spends" VALUES(1,'2026-11-19',995001,3210000,'campaign','2026-11-19 23:58:00');
INSERT INTO "spends" VALUES(1,'2026-11-20',995001,1000000,'report','2026-11-20 08:00:00.5');
INSERT INTO "spends" VALUES(2,'2026-11-20',995002,1230000,'campaign','2026-11-20 08:00:00');
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
INSERT INTO "urls" VALUES(1,1,'landing','https://example.com/shoes',20000,10000,'active','2026-11-01 08:01:00','2026-11-20 08:01:00');
INSERT INTO "urls" VALUES(2,1,'old','https://example.com/old',5000,5000,'completed','2026-11-01 08:01:01','2026-11-20 08:01:00');
INSERT INTO "urls" VALUES(3,2,'landing','https://example.com/travel',20000,10000,'active','2026-11-01 08:01:02','2026-11-20 08:01:00');
CREATE INDEX urls_by_campaign ON urls (campaign_id);
CREATE INDEX journal_by_campaign ON journal (campaign_id, id);
CREATE INDEX journal_steps_unfinished ON journal_steps (journal_id) WHERE step IN ('requested', 'accepted');
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('campaigns',3);
INSERT INTO "sqlite_sequence" VALUES('urls',3);
INSERT INTO "sqlite_sequence" VALUES('journal',4);
COMMIT;
