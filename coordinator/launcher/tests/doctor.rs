//! The host as doctor sees it: looking changes nothing, and whatever is wrong comes with something to do.

use std::net::Ipv4Addr;
use std::path::PathBuf;

use launcher::{
    Fix, HostCheck, HostNeeds, HostProvider, LabHandle, Level, NetworkSpec, apply_fix, host_report,
};

fn report(needs: &HostNeeds) -> Vec<HostCheck> {
    let lab = LabHandle {
        lab: "doctor-test".into(),
        home: PathBuf::from("/nonexistent/home"),
        cache: PathBuf::from("/nonexistent/cache"),
    };
    host_report(&lab, needs)
}

fn needs() -> HostNeeds {
    HostNeeds {
        provider: HostProvider::Nspawn,
        network: NetworkSpec {
            bridge_address: Ipv4Addr::new(192, 168, 72, 1),
            prefix: 24,
        },
        memory_mib: 1,
        home_gib: 0,
        cache_gib: 0,
        go: None,
    }
}

fn level(report: &[HostCheck], id: &str) -> Level {
    report
        .iter()
        .find(|c| c.id == id)
        .map_or(Level::Fail, |c| c.level)
}

#[test]
fn whatever_is_wrong_has_a_remedy() {
    let report = report(&needs());
    for check in &report {
        assert!(!check.found.is_empty() && !check.need.is_empty(), "{check:?}");
        assert_eq!(check.level == Level::Ok, check.remedy.is_empty(), "{check:?}");
    }
    let mut ids: Vec<&str> = report.iter().map(|c| c.id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), report.len(), "two checks have one name");
}

#[test]
fn what_is_too_small_is_refused_with_both_figures() {
    let huge = HostNeeds {
        memory_mib: 1 << 40,
        home_gib: 1 << 30,
        ..needs()
    };
    let report = report(&huge);
    assert_eq!(level(&report, "memory"), Level::Fail);
    assert_eq!(level(&report, "disk_home"), Level::Fail);
    assert_eq!(level(&report, "disk_cache"), Level::Ok);
}

#[test]
fn a_subnet_in_use_is_refused() {
    let taken = HostNeeds {
        network: NetworkSpec {
            bridge_address: Ipv4Addr::new(127, 0, 0, 1),
            prefix: 24,
        },
        ..needs()
    };
    assert_eq!(level(&report(&taken), "subnet"), Level::Fail);
    assert_eq!(level(&report(&needs()), "subnet"), Level::Ok);
}

#[test]
fn multipass_needs_none_of_the_kernels_features() {
    let needs = HostNeeds {
        provider: HostProvider::Multipass,
        ..needs()
    };
    let report = report(&needs);
    assert!(report.iter().any(|c| c.id == "multipass"));
    assert!(!report.iter().any(|c| c.id == "overlay" || c.id == "cgroups"));
}

#[test]
fn a_setting_that_is_high_enough_is_not_lowered() {
    let key = "fs.file-max".to_owned();
    let before = std::fs::read_to_string("/proc/sys/fs/file-max").unwrap_or_default();
    assert!(apply_fix(&Fix::RaiseSysctl { key, value: 1 }).is_ok());
    let after = std::fs::read_to_string("/proc/sys/fs/file-max").unwrap_or_default();
    assert_eq!(before, after);
}
