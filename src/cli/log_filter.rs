//! `log-filter`: changes which log lines the supervisor writes, until a reload or a restart.

use super::{Arguments, CommandError};
use crate::control::LogFilterSetting;

pub(super) async fn log_filter(arguments: &Arguments, filter: &str) -> Result<(), CommandError> {
    let setting = LogFilterSetting { filter: filter.to_owned() };
    let set = arguments.client()?.set_log_filter(&setting).await?;
    arguments.print(&set, || format!("The log filter is {} until a reload or a restart.", set.filter))
}
