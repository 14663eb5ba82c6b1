use super::*;
use model::moment::ClockOffset;

fn look() -> Look {
    Look {
        containerd: true,
        kubelet: true,
        kubelet_healthy: Some(true),
        disk_free: Some(9 << 30),
        facts: NodeFacts {
            memory_limit: 4 << 30,
            memory_used: 1 << 30,
            psi_memory_milli: Some(0),
            psi_cpu_milli: Some(0),
            psi_io_milli: Some(0),
            ..NodeFacts::default()
        },
        control_plane: Some(vec![]),
        clock: Some(ClockOffset {
            offset_micros: 100,
            bound_micros: 50,
        }),
        certificate: Some((Moment(0), Moment(1_000_000_000))),
    }
}

/// Looks `times` times; gives what was told of `kind` last, if anything was.
fn after(conditions: &mut Conditions, look: &Look, times: i64, kind: &str) -> Option<Condition> {
    let told = (0..times).flat_map(|n| conditions.update(look, Moment(n)));
    told.filter(|c| c.kind == kind).last()
}

#[test]
fn only_changes_are_told_and_since_stays_while_the_status_does() {
    let mut conditions = Conditions::default();
    let first = conditions.update(&look(), Moment(1));
    assert_eq!(first.len(), 9, "{first:#?}");
    assert!(first.iter().all(Condition::is_good), "{first:#?}");
    assert!(conditions.update(&look(), Moment(2)).is_empty());
    let gone = Look {
        kubelet: false,
        ..look()
    };
    let told = conditions.update(&gone, Moment(2));
    assert!(told.is_empty(), "it may be restarted just now: {told:#?}");
    let told = conditions.update(&gone, Moment(3));
    assert_eq!(
        (told[0].reason.as_str(), told[0].since),
        ("NotRunning", Moment(3))
    );
    let sick = Look {
        kubelet_healthy: Some(false),
        ..look()
    };
    let told = conditions.update(&sick, Moment(4));
    assert_eq!(
        (told[0].reason.as_str(), told[0].since),
        ("NotHealthy", Moment(3)),
        "false since then"
    );
}

#[test]
fn one_slow_answer_is_no_news_and_several_are() {
    let mut conditions = Conditions::default();
    conditions.update(&look(), Moment(0));
    let sick = Look {
        kubelet_healthy: Some(false),
        ..look()
    };
    for _ in 0..10 {
        assert_eq!(after(&mut conditions, &sick, 2, "KubeletRunning"), None);
        assert_eq!(after(&mut conditions, &look(), 1, "KubeletRunning"), None);
    }
    let told = after(&mut conditions, &sick, 3, "KubeletRunning").expect("told");
    assert_eq!(
        (told.status, told.reason.as_str()),
        (ConditionStatus::False, "NotHealthy")
    );
}

#[test]
fn a_restart_is_no_news() {
    let mut conditions = Conditions::default();
    conditions.update(&look(), Moment(0));
    let down = Look {
        containerd: false,
        kubelet: false,
        kubelet_healthy: None,
        ..look()
    };
    for _ in 0..3 {
        assert!(conditions.update(&down, Moment(1)).is_empty());
        assert!(conditions.update(&look(), Moment(2)).is_empty());
    }
    let mut told: Vec<Condition> = Vec::new();
    told.extend(conditions.update(&down, Moment(3)));
    told.extend(conditions.update(&down, Moment(4)));
    let told: Vec<_> = told
        .iter()
        .map(|c| (c.kind.as_str(), c.reason.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            ("ContainerdRunning", "NotRunning"),
            ("KubeletRunning", "NotRunning")
        ]
    );
}

#[test]
fn a_level_is_left_at_another_mark_than_it_is_entered() {
    let mut conditions = Conditions::default();
    let free = |mib: u64| Look {
        disk_free: Some(mib << 20),
        ..look()
    };
    conditions.update(&free(2000), Moment(0));
    let mut told = Vec::new();
    for mib in [1030, 1020, 1030, 1020, 1200, 1030, 1300, 1100] {
        told.extend(after(&mut conditions, &free(mib), 1, "DiskPressure").map(|c| (mib, c.status)));
    }
    assert_eq!(
        told,
        [(1020, ConditionStatus::True), (1300, ConditionStatus::False)]
    );
}

#[test]
fn pressure_is_told_in_figures() {
    let facts = NodeFacts {
        memory_limit: 1 << 30,
        memory_used: (1 << 30) - 1,
        psi_cpu_milli: Some(950),
        ..NodeFacts::default()
    };
    let bad = Look {
        disk_free: Some(5 << 20),
        facts,
        ..look()
    };
    let changed = Conditions::default().update(&bad, Moment(1));
    let by = |kind: &str| changed.iter().find(|c| c.kind == kind).expect("there").clone();
    assert_eq!(by("DiskPressure").message, "5 MiB are free");
    assert_eq!(by("MemoryPressure").status, ConditionStatus::True);
    assert_eq!(
        by("CpuPressure").message,
        "processes waited for a CPU 95 % of the time"
    );
}

#[test]
fn what_is_not_measured_is_unknown_and_what_is_of_the_machine_says_so() {
    let of = |facts: NodeFacts| {
        let look = Look { facts, ..look() };
        let all = Conditions::default().update(&look, Moment(1));
        move |kind: &str| all.iter().find(|c| c.kind == kind).expect("there").clone()
    };
    let nothing = of(NodeFacts::default());
    for kind in ["CpuPressure", "IoPressure", "MemoryPressure"] {
        let told = nothing(kind);
        assert_eq!(
            (told.status, told.reason.as_str()),
            (ConditionStatus::Unknown, "NotMeasured"),
            "{kind}"
        );
    }
    let limit_alone = of(NodeFacts {
        memory_limit: 4 << 30,
        ..NodeFacts::default()
    });
    assert_eq!(limit_alone("MemoryPressure").reason, "EnoughFree");
    let machine = of(NodeFacts {
        psi_memory_milli: Some(1),
        psi_cpu_milli: Some(970),
        psi_io_milli: Some(1),
        psi_of_machine: true,
        ..NodeFacts::default()
    });
    let message = |kind: &str| machine(kind).message;
    assert_eq!(
        message("CpuPressure"),
        "processes waited for a CPU 97 % of the time, measured for the whole machine"
    );
    assert_eq!(
        message("IoPressure"),
        "nothing waits long for the disk, measured for the whole machine"
    );
    assert_eq!(machine("MemoryPressure").reason, "NotStalled");
}

#[test]
fn a_control_plane_that_never_began_is_unknown_and_one_that_went_is_named() {
    let mut conditions = Conditions::default();
    let kind = "ControlPlaneRunning";
    let silent = |names: &[&'static str]| Look {
        control_plane: Some(names.to_vec()),
        ..look()
    };
    let all: Vec<&'static str> = super::super::look::CONTROL_PLANE
        .iter()
        .map(|(name, _)| *name)
        .collect();
    let told = after(&mut conditions, &silent(&all), 5, kind).expect("told");
    assert_eq!(told.status, ConditionStatus::Unknown);
    assert_eq!(
        after(&mut conditions, &silent(&[]), 1, kind)
            .expect("told")
            .status,
        ConditionStatus::True
    );
    assert_eq!(
        after(&mut conditions, &silent(&["etcd"]), 1, kind),
        None,
        "one look is not enough"
    );
    let told = after(&mut conditions, &silent(&["etcd"]), 1, kind).expect("told");
    assert_eq!(
        (told.status, told.message.as_str()),
        (ConditionStatus::False, "not listening: etcd")
    );
    let told = after(&mut conditions, &silent(&all), 3, kind);
    assert!(told.is_none(), "it did begin, and it is told already: {told:?}");
    let worker = Look {
        control_plane: None,
        ..look()
    };
    assert_eq!(after(&mut Conditions::default(), &worker, 1, kind), None);
}

#[test]
fn a_clock_is_off_only_when_that_is_certain() {
    let mut conditions = Conditions::default();
    let off = |offset_micros, bound_micros| Look {
        clock: Some(ClockOffset {
            offset_micros,
            bound_micros,
        }),
        ..look()
    };
    let kind = "ClockSynced";
    assert_eq!(
        after(&mut conditions, &off(900_000, 600_000), 1, kind)
            .expect("told")
            .status,
        ConditionStatus::True
    );
    let told = after(&mut conditions, &off(-3_200_000, 400), 1, kind).expect("told");
    assert_eq!(
        told.message,
        "3200 ms behind the coordinator's clock, give or take 1 ms"
    );
    assert_eq!(
        after(&mut conditions, &off(400_000, 0), 1, kind),
        None,
        "better, and not good yet"
    );
    let unknown = Look {
        clock: None,
        ..look()
    };
    assert_eq!(
        after(&mut conditions, &unknown, 1, kind).expect("told").status,
        ConditionStatus::Unknown
    );
}

#[test]
fn a_certificate_that_is_not_renewed_is_told_before_it_runs_out() {
    let at = |now: i64| Conditions::default().update(&look(), Moment(now));
    let by = |all: Vec<Condition>| {
        all.into_iter()
            .find(|c| c.kind == "CertificateValid")
            .expect("there")
            .reason
    };
    assert_eq!(by(at(700_000_000)), "Valid");
    assert_eq!(by(at(800_000_000)), "NotRenewed");
    assert_eq!(by(at(1_000_000_001)), "Expired");
}
