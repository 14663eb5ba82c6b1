//! The README's first command on the real lab: three clusters, six nodes, one mesh; then nothing left.

use crate::{faults, global_service, health, leftovers};
use std::time::Instant;
use tests::lab::{TestLab, fit};

#[test]
fn up_makes_three_real_clusters_and_down_leaves_nothing() {
    if !fit() {
        return;
    }
    let lab = TestLab::new("test").expect("a lab of the test's own");

    let settings = leftovers::host_settings();
    let up = lab.run(&["up", "--yes", "--through", "3"]).expect("up runs");
    assert!(up.status.success(), "up ended with {}", up.status);
    health::check(&lab);
    global_service::check(&lab).expect("global service");
    a_second_up_does_nothing(&lab);
    faults::check(&lab);

    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success(), "down ended with {}", down.status);
    assert_eq!(leftovers::of("test"), Vec::<String>::new());
    // Where another lab runs beside, the settings are left to that one.
    if !leftovers::of("").iter().any(|left| left.starts_with("cgroup")) {
        assert_eq!(
            leftovers::host_settings(),
            settings,
            "kernel settings of the host"
        );
    }
}

fn a_second_up_does_nothing(lab: &TestLab) {
    let since = Instant::now();
    let again = lab
        .run(&["--json", "up", "--yes", "--through", "3"])
        .expect("up runs");
    assert!(again.status.success());
    let lines = String::from_utf8_lossy(&again.stdout).into_owned();
    let ran = lines
        .lines()
        .filter(|l| l.contains("\"kind\":\"step_dispatched\""))
        .count();
    assert_eq!(ran, 0, "steps ran: {lines}");
    eprintln!("second up: {:.2} s", since.elapsed().as_secs_f64());
}
