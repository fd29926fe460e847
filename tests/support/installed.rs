//! Where scripts put what tests need and is not a package of the machine's.

use std::{env, path::PathBuf};

/// Where `scripts/install-drivers` and `scripts/install-frameworks` put it.
pub(crate) fn installed(path: &str) -> PathBuf {
    let told = env::var_os("GREENROOM_DRIVERS").filter(|value| !value.is_empty()).map(PathBuf::from);
    let usual = || env::home_dir().unwrap_or_default().join(".cache/greenroom/drivers");
    told.unwrap_or_else(usual).join(path)
}
