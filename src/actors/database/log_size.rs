//! The size of SQLite's write-ahead log. A reader that does not end its transaction keeps it growing, until the disk is full.

use super::DatabaseHandle;

/// From here on it is told, and again when it has doubled.
const LARGE_BYTES: u64 = 1_000_000_000;
const MEGABYTE: u64 = 1_000_000;

/// What was told of it last.
#[derive(Debug, Default)]
pub(super) struct LogSize {
    told_bytes: Option<u64>,
}

/// What is to be told of it.
#[derive(Debug, PartialEq, Eq)]
enum News {
    Large,
    SmallAgain,
}

impl LogSize {
    fn saw(&mut self, bytes: u64) -> Option<News> {
        match self.told_bytes {
            None if bytes >= LARGE_BYTES => {
                self.told_bytes = Some(bytes);
                Some(News::Large)
            }
            Some(told) if bytes >= told.saturating_mul(2) => {
                self.told_bytes = Some(bytes);
                Some(News::Large)
            }
            Some(_) if bytes < LARGE_BYTES => {
                self.told_bytes = None;
                Some(News::SmallAgain)
            }
            None | Some(_) => None,
        }
    }
}

impl DatabaseHandle {
    /// Measures the log, and tells where it is large.
    pub(super) async fn watch_log_size(&self) {
        let bytes = self.store.log_bytes().await;
        self.board.metrics().database_log(bytes);
        let news = self.log_size.lock().unwrap_or_else(std::sync::PoisonError::into_inner).saw(bytes);
        let megabytes = bytes / MEGABYTE;
        match news {
            Some(News::Large) => tracing::warn!(
                megabytes,
                "the database's write-ahead log (its file ends in -wal) is large and will fill the disk: another program reads \
                 the database and does not end its transaction; let it end (a shell with an open BEGIN, a backup)"
            ),
            Some(News::SmallAgain) => tracing::info!(megabytes, "the database's write-ahead log is small again"),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_told_from_a_gigabyte_on_when_it_has_doubled_and_when_it_is_small_again() {
        let mut size = LogSize::default();
        let gigabytes = |tenths: u64| tenths * LARGE_BYTES / 10;
        let cases = [
            (0, None),
            (9, None),
            (11, Some(News::Large)),
            (12, None),
            (21, None),
            (22, Some(News::Large)),
            (43, None),
            (10, None),
            (0, Some(News::SmallAgain)),
            (5, None),
            (10, Some(News::Large)),
        ];
        for (tenths, news) in cases {
            assert_eq!(size.saw(gigabytes(tenths)), news, "{tenths}");
        }
    }
}
