//! The size of SQLite's write-ahead log. If another program reads the database and does not end its transaction, the
//! log grows until the disk is full.

use super::DatabaseHandle;

/// From this size on the log is reported, and again each time it has doubled.
const LARGE_BYTES: u64 = 1_000_000_000;
const MEGABYTE: u64 = 1_000_000;

/// The last report about the size.
#[derive(Debug, Default)]
pub(super) struct LogSize {
    /// The size at that time, in bytes; `None` if the log was small.
    reported_bytes: Option<u64>,
}

/// A report that is due.
#[derive(Debug, PartialEq, Eq)]
enum Report {
    Large,
    SmallAgain,
}

impl LogSize {
    /// Takes a new size, and returns the report that it makes due.
    fn saw(&mut self, bytes: u64) -> Option<Report> {
        match self.reported_bytes {
            None if bytes >= LARGE_BYTES => {
                self.reported_bytes = Some(bytes);
                Some(Report::Large)
            }
            Some(reported) if bytes >= reported.saturating_mul(2) => {
                self.reported_bytes = Some(bytes);
                Some(Report::Large)
            }
            Some(_) if bytes < LARGE_BYTES => {
                self.reported_bytes = None;
                Some(Report::SmallAgain)
            }
            None | Some(_) => None,
        }
    }
}

impl DatabaseHandle {
    /// Measures the log, and logs a warning if it is large.
    pub(super) async fn watch_log_size(&self) {
        let bytes = self.store.log_bytes().await;
        self.board.metrics().database_log(bytes);
        let report = self.log_size.lock().unwrap_or_else(std::sync::PoisonError::into_inner).saw(bytes);
        let megabytes = bytes / MEGABYTE;
        match report {
            Some(Report::Large) => tracing::warn!(
                megabytes,
                "the database's write-ahead log (its file ends in -wal) is large and will fill the disk. Another \
                 program reads the database and does not end its transaction. Let it end (a shell with an open BEGIN, \
                 a backup)"
            ),
            Some(Report::SmallAgain) => tracing::info!(megabytes, "the database's write-ahead log is small again"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_reported_at_a_gigabyte_at_each_doubling_and_when_it_is_small_again() {
        let mut size = LogSize::default();
        let gigabytes = |tenths: u64| tenths * LARGE_BYTES / 10;
        let cases = [
            (0, None),
            (9, None),
            (11, Some(Report::Large)),
            (12, None),
            (21, None),
            (22, Some(Report::Large)),
            (43, None),
            (10, None),
            (0, Some(Report::SmallAgain)),
            (5, None),
            (10, Some(Report::Large)),
        ];
        for (tenths, report) in cases {
            assert_eq!(size.saw(gigabytes(tenths)), report, "{tenths}");
        }
    }
}
