//! Tests of the built program, which runs as a child process. The sandbox takes the place of TrafficStars, and the
//! database is SQLite or PostgreSQL.
//!
//! A test sets up a [`helper::World`], makes something happen, and checks the result: the requests in the sandbox's
//! log, the state in the dump, and the entries of the journal. The tests use none of the program's own types: they read
//! JSON, text and SQL as other programs do, so that a renamed field makes a test fail.
//!
//! # Rules
//!
//! | file | subject |
//! | --- | --- |
//! | `decisions` | the decision table, row by row, at each threshold |
//! | `guards` | a foreign start or stop is undone; contested campaigns |
//! | `cooldown` | the cool-down after a pause |
//! | `modes` | the day end, observe mode, settings of one campaign |
//! | `top_up` | the day's budget from the spend limit on |
//! | `spend` | the sources of today's spend, high spend, unchanged spend, implausible clicks |
//! | `midnight` | the spend counter after midnight |
//! | `clocks` | the guard's clock and TrafficStars' clock differ |
//! | `funds` | campaigns out of funds, or blocked and switched on |
//! | `remote_words` | the meaning of TrafficStars' answers: blocked campaigns, odd fields, other shapes |
//! | `missing` | 404 for a campaign; a campaign that is gone |
//! | `rows` | rows that a tracker adds, changes, disables or removes |
//! | `sending` | requests, their answers, the read-back, the steps in the journal |
//! | `restart` | a stop or a power cut loses no promise, cool-down or action |
//! | `crash` | the guard is killed at random moments; `crash/rules` checks every rule afterwards |
//!
//! # Commands and the control socket
//!
//! | file | subject |
//! | --- | --- |
//! | `orders` | `process`, `hold`, `release`, `pause-all`, `release-all` |
//! | `panic_button` | `pause-all --direct` without a supervisor |
//! | `catalog` | `campaign add`, `list`, `set` and `remove`, `url …`, `enable`, `disable` |
//! | `holdings` | `account`, and `campaign add` by an id |
//! | `check` | `check` |
//! | `explain` | `explain`, health and metrics |
//! | `monitoring` | the metrics on a TCP port, the alerts and the dashboard of `packaging`, a real Prometheus |
//! | `history` | `history` and `GET /v1/journal` |
//! | `watch` | `watch` and `GET /v1/events` |
//! | `wait` | `wait` |
//! | `top` | `top` |
//! | `screens` | `status`, `health`, `explain` and `history` on a terminal |
//! | `admin` | `reload`, `log-filter`, `shutdown`, `status`, `dump`, `man`, exit statuses, `--json`, the audit log |
//! | `completion` | completion in bash, zsh and fish |
//! | `targets` | how a command names its campaign |
//! | `numbers` | the forms of numbers on the command line |
//! | `openapi` | every documented answer of the API |
//! | `socket` | the control socket's file |
//! | `foreign_pages` | web pages that reach the control socket through a browser |
//! | `foreign_text` | hostile names and texts in commands, log and events |
//! | `private` | protection from other users of the machine |
//! | `readme` | the commands and outputs that README.md shows |
//!
//! # Alerts
//!
//! | file | subject |
//! | --- | --- |
//! | `alerts/campaigns` | the occasions of campaigns: each is reported once, and so is its end |
//! | `alerts/supervisor` | the occasions of the supervisor, of the account and of groups |
//! | `alerts/calm` | what is no occasion |
//! | `alerts/delivery` | signatures, and receivers that refuse, hang, redirect or want no more |
//! | `alerts/timing` | receivers that are away, quiet hours, reminders, gathering, the digest |
//! | `alerts/ways_out` | templates, and commands as receivers |
//! | `alerts/crash` | a guard that is killed, or restarted, while it has something to tell |
//! | `alerts/leaders` | a change of leader on PostgreSQL |
//! | `alerts/orders` | `alert list`, `test`, `ack` and `mute`, on the command line and on the socket |
//! | `alerts/bad_config` | mistakes in `[[alerts]]` and `[display]` |
//!
//! # Failures and limits
//!
//! | file | subject |
//! | --- | --- |
//! | `faults` | failed requests to TrafficStars: `reads`, `writes`, `token`, `waiting` (429), `refused` (one bad id) |
//! | `late` | answers that are late, and connections that hang |
//! | `limit` | the request limit, circuits, the order of waiting requests |
//! | `endpoints` | endpoints that do not exist or change |
//! | `account` | tokens, 429, many campaigns, another guard on the same account |
//! | `away` | the database fails while the guard runs |
//! | `databases` | SQLite and PostgreSQL, upgrades, old history, TLS, the lock file |
//! | `leadership` | several guards on one PostgreSQL database |
//! | `ending` | signals, and an end while something hangs |
//! | `plenty` | many clients, and few open files |
//! | `log` | repeated failures in the log, and a log that is not read |
//! | `service_manager` | readiness, status and watchdog for systemd, and log lines for its journal |
//! | `announced` | what the log says at the start and about health |
//!
//! [`helper`] is the harness. `postgres` starts the PostgreSQL servers.

// Helpers are not recognised as tests by these lints.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that panics says which line failed"
)]

mod account;
mod admin;
mod alerts;
mod announced;
mod away;
mod catalog;
mod check;
mod clocks;
mod completion;
mod cooldown;
mod crash;
mod databases;
mod decisions;
mod ending;
mod endpoints;
mod explain;
mod faults;
mod foreign_pages;
mod foreign_text;
mod funds;
mod groups;
mod guards;
mod helper;
mod history;
mod holdings;
mod late;
mod leadership;
mod limit;
mod log;
mod midnight;
mod missing;
mod modes;
mod monitoring;
mod numbers;
mod openapi;
mod orders;
mod panic_button;
mod plenty;
#[path = "../postgres/mod.rs"]
#[allow(dead_code, reason = "the store's own tests stop the server, let it hang, and let it encrypt")]
mod postgres;
mod private;
mod readme;
mod remote_words;
mod restart;
mod rows;
mod screens;
mod sending;
mod service_manager;
mod socket;
mod spend;
mod targets;
mod top;
mod top_up;
mod wait;
mod watch;
