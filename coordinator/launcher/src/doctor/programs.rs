//! Programs that the launcher, the bundle and Terraform start.

use std::process::Command;

use super::fix::Fix;
use super::{HostCheck, Level};

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
const TERRAFORM_AT_LEAST: (u32, u32) = (1, 9);

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
    let found = first_line("terraform", &["version"]).or_else(|| first_line("tofu", &["version"]));
    let good = found
        .as_deref()
        .and_then(version)
        .is_some_and(|v| v >= TERRAFORM_AT_LEAST);
    HostCheck::of("terraform", good, Level::Fail)
        .found(found.unwrap_or_else(|| "none".to_owned()))
        .need("Terraform or OpenTofu 1.9 or newer")
        .remedy("install Terraform from its vendor's packages")
}

pub(super) fn go(needed: bool) -> HostCheck {
    let found = first_line("go", &["version"]);
    HostCheck::of("go", found.is_some() || !needed, Level::Fail)
        .found(found.unwrap_or_else(|| "none".to_owned()))
        .need(if needed {
            "Go, to build the bundle"
        } else {
            "nothing: the bundle is there"
        })
        .remedy("install Go from go.dev, or copy a bundle that was built elsewhere into the cache")
}

pub(super) fn multipass() -> HostCheck {
    let found = first_line("multipass", &["version"]);
    HostCheck::of("multipass", found.is_some(), Level::Fail)
        .found(found.unwrap_or_else(|| "none".to_owned()))
        .need("Multipass 1.16 or newer, with its daemon running")
        .remedy("install Multipass, or choose the nspawn provider on Linux")
}

/// Whether a program of this name is in the search path or where Debian keeps those for root.
pub(super) fn in_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|folder| folder.join(program).is_file())
}

fn first_line(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output
        .status
        .success()
        .then(|| text.lines().next().unwrap_or_default().to_owned())
}

/// Major and minor of the first word that looks like `v1.11.4` or `1.11.4`.
fn version(line: &str) -> Option<(u32, u32)> {
    line.split_whitespace().find_map(|word| {
        let mut parts = word.trim_start_matches('v').split('.');
        Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("Terraform v1.11.4"), Some((1, 11)));
        assert_eq!(version("OpenTofu v1.8.0"), Some((1, 8)));
        assert!(version("Terraform v1.11.4") >= Some(super::TERRAFORM_AT_LEAST));
        assert_eq!(version("nonsense"), None);
    }
}
