//! Programs that the launcher, the bundle and Terraform start.

use std::time::Duration;

use super::fix::Fix;
use super::{ANSWER, HostCheck, Level};
use crate::command::{in_path, run_within};
use crate::error::LaunchError;

/// Program looked for, and the Debian package that has it.
const PACKAGES: [(&str, &str); 11] = [
    ("systemd-nspawn", "systemd-container"),
    ("ip", "iproute2"),
    ("iptables", "iptables"),
    ("nft", "nftables"),
    ("conntrack", "conntrack"),
    ("ethtool", "ethtool"),
    ("socat", "socat"),
    ("mmdebstrap", "mmdebstrap"),
    ("mkfs.ext4", "e2fsprogs"),
    ("losetup", "mount"),
    ("setsid", "util-linux"),
];

/// cross-variable validation of the root module needs it.
const TERRAFORM_AT_LEAST: [u32; 2] = [1, 9];

pub(super) fn packages() -> HostCheck {
    let mut missing: Vec<String> = PACKAGES
        .iter()
        .filter(|(program, _)| !in_path(program))
        .map(|(_, package)| (*package).to_owned())
        .collect();
    missing.sort();
    missing.dedup();
    let check = HostCheck::of("packages", missing.is_empty(), Level::Fail)
        .found(if missing.is_empty() {
            "all there".to_owned()
        } else {
            format!("missing: {}", missing.join(" "))
        })
        .need("systemd-nspawn and the tools for disks and networks")
        .remedy(format!("install {}", missing.join(" ")));
    if in_path("apt-get") {
        return check.fix(Fix::InstallPackages { packages: missing });
    }
    check
}

pub(super) fn terraform() -> HostCheck {
    let recent = |line: &str| version(line).is_some_and(|v| v.as_slice() >= &TERRAFORM_AT_LEAST);
    version_of(crate::terraform::program())
        .check("terraform", Level::Fail, |line| line.is_some_and(recent))
        .need("Terraform or OpenTofu 1.9 or newer")
        .remedy("install Terraform from its vendor's packages")
}

/// `at_least` is the oldest Go that builds the bundle, none where the bundle is there. Go takes no newer one by itself in a build
/// of the bundle, so one that is too old would fail in the middle of it.
pub(super) fn go(at_least: Option<&str>) -> HostCheck {
    // One that hangs hinders nobody where the bundle is there, and is told all the same.
    let otherwise = if at_least.is_some() {
        Level::Fail
    } else {
        Level::Warn
    };
    let recent = |line: &str, wanted: &str| version(line) >= version(wanted);
    let good =
        |line: Option<&str>| at_least.is_none_or(|wanted| line.is_some_and(|line| recent(line, wanted)));
    version_of("go")
        .check("go", otherwise, good)
        .need(match at_least {
            Some(wanted) => format!("Go {wanted} or newer, to build the bundle"),
            None => "nothing: the bundle is there".to_owned(),
        })
        .remedy("install Go from go.dev, or copy a bundle that was built elsewhere into the cache")
}

pub(super) fn multipass() -> HostCheck {
    version_of("multipass")
        .check("multipass", Level::Fail, |line| line.is_some())
        .need("Multipass 1.16 or newer, with its daemon running")
        .remedy("install Multipass, or choose the nspawn provider on Linux")
}

/// What a program says of itself.
enum Answer {
    /// The first line.
    Line(String),
    /// It is not there, or failed.
    None,
    /// It did not end, in these words.
    Hung { program: String, told: String },
}

fn version_of(program: &str) -> Answer {
    ask(program, ANSWER)
}

fn ask(program: &str, limit: Duration) -> Answer {
    match run_within(program, ["version"], "version", limit) {
        Ok(text) => Answer::Line(text.lines().next().unwrap_or_default().to_owned()),
        Err(error @ LaunchError::CommandHung { .. }) => Answer::Hung {
            program: program.to_owned(),
            told: error.to_string(),
        },
        Err(_) => Answer::None,
    }
}

impl Answer {
    /// The check of an answer, of level `otherwise` where it is not good. One that hung has its own remedy already: the
    /// first that is given stays.
    fn check(self, id: &'static str, otherwise: Level, good: impl FnOnce(Option<&str>) -> bool) -> HostCheck {
        match self {
            Self::Line(line) => HostCheck::of(id, good(Some(&line)), otherwise).found(line),
            Self::None => HostCheck::of(id, good(None), otherwise).found("none"),
            Self::Hung { program, told } => HostCheck::of(id, false, otherwise).found(told).remedy(format!(
                "run `{program} version` by hand and see what it waits for; the first `{program}` on the search path is the one that hangs"
            )),
        }
    }
}

/// Numbers of the first word that looks like `v1.11.4`, `1.11.4-rc1` or `go1.26`.
fn version(line: &str) -> Option<Vec<u32>> {
    line.split_whitespace().find_map(|word| {
        let bare = word.trim_start_matches("go").trim_start_matches('v');
        let end = bare.find(|c: char| c != '.' && !c.is_ascii_digit());
        let numbers = bare.get(..end.unwrap_or(bare.len()))?;
        numbers.split('.').map(|part| part.parse().ok()).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::{Answer, ask, version};
    use crate::doctor::Level;

    #[test]
    fn a_tool_that_never_ends_is_a_finding_with_its_name_the_limit_and_a_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let tool = folder.path().join("go");
        std::fs::write(&tool, "#!/bin/sh\nsleep 600\n").unwrap();
        std::fs::set_permissions(&tool, std::fs::Permissions::from_mode(0o755)).unwrap();
        let answer = ask(&tool.display().to_string(), Duration::from_millis(300));
        let check = answer
            .check("go", Level::Fail, |line| line.is_some())
            .remedy("install Go");
        assert_eq!(check.level, Level::Fail);
        let name = tool.display().to_string();
        assert!(
            check.found.contains(&name) && check.found.contains("300ms"),
            "{check:?}"
        );
        assert!(
            check.remedy.starts_with(&format!("run `{name} version` by hand")),
            "{check:?}"
        );
        let absent = ask("/nonexistent/go", Duration::from_secs(1));
        assert!(matches!(absent, Answer::None));
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("Terraform v1.11.4"), Some(vec![1, 11, 4]));
        assert_eq!(version("OpenTofu v1.8.0"), Some(vec![1, 8, 0]));
        assert!(version("Terraform v1.11.4") >= Some(super::TERRAFORM_AT_LEAST.to_vec()));
        assert_eq!(version("go version go1.26.8 linux/amd64"), Some(vec![1, 26, 8]));
        assert!(version("go version go1.26rc1 linux/amd64") < version("1.26.7"));
        assert_eq!(version("nonsense"), None);
    }
}
