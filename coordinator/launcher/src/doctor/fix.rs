//! What doctor can put right by itself, once asked to.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

use crate::command::run_within;
use crate::error::LaunchError;

/// How long the package manager may take: a slow mirror needs minutes, and ending it in the middle is to be mended by hand.
const PACKAGES: Duration = Duration::from_secs(30 * 60);

/// A change to the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fix {
    /// Debian packages to install.
    InstallPackages {
        /// Their names.
        packages: Vec<String>,
    },
    /// A kernel setting to raise until the next boot.
    RaiseSysctl {
        /// Name with dots, such as `fs.inotify.max_user_instances`.
        key: String,
        /// The value to set.
        value: u64,
    },
}

impl std::fmt::Display for Fix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::InstallPackages { packages } => {
                write!(f, "apt-get install {}", packages.join(" "))
            }
            Self::RaiseSysctl { key, value } => write!(f, "sysctl -w {key}={value}"),
        }
    }
}

/// Applies a fix. Settings are raised, never lowered, and last until the next boot.
///
/// # Errors
/// When the host refuses it.
pub fn apply_fix(fix: &Fix) -> Result<(), LaunchError> {
    match fix {
        Fix::InstallPackages { packages } => {
            let mut arguments = vec!["-y", "-q", "--no-install-recommends", "install"];
            arguments.extend(packages.iter().map(String::as_str));
            // Package lists may be missing or old; they are fetched only if the plain way does not work.
            if apt(&arguments).is_err() {
                apt(&["-q", "update"])?;
                apt(&arguments)?;
            }
            Ok(())
        }
        Fix::RaiseSysctl { key, value } => {
            let path = PathBuf::from("/proc/sys").join(key.replace('.', "/"));
            let now = std::fs::read_to_string(&path).map_err(LaunchError::io("read", &path))?;
            if now.trim().parse::<u64>().is_ok_and(|n| n >= *value) {
                return Ok(());
            }
            std::fs::write(&path, value.to_string()).map_err(LaunchError::io("write", &path))
        }
    }
}

fn apt(arguments: &[&str]) -> Result<(), LaunchError> {
    let quiet = ["DEBIAN_FRONTEND=noninteractive", "apt-get"];
    run_within("env", quiet.iter().chain(arguments), "apt-get", PACKAGES).map(|_| ())
}
