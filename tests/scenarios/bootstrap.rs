//! The README's first command on the real lab: three clusters, six nodes, one mesh, whoever is killed on the way; then nothing
//! left.

use crate::{faults, global_service, health, kills, leftovers};
use std::time::{Duration, Instant};
use tests::dice::Dice;
use tests::hunt::{self, Pace};
use tests::lab::{TestLab, fit};

/// Coordinator or agents are killed so often on the way; the long test of kills does it 25 times.
const KILLS: usize = 3;
const PACE: Pace = Pace {
    from: Duration::from_secs(3),
    to: Duration::from_secs(12),
};

/// Wide, as this test also runs beside others; the long test asks for the promised 5 s.
const RESUME_LIMIT: Duration = Duration::from_secs(20);

#[test]
fn up_makes_three_real_clusters_and_down_leaves_nothing() {
    if !fit() {
        return;
    }
    let lab = TestLab::new("test").expect("a lab of the test's own");

    let settings = leftovers::host_settings();
    let mut dice = Dice::new();
    let words = ["up", "--yes", "--through", "3"];
    let deaths = hunt::up(&lab, &words, KILLS, PACE, &mut dice).expect("up ends well");
    health::check(&lab);
    global_service::check(&lab).expect("global service");
    a_second_up_does_nothing(&lab);
    faults::check(&lab);

    let down = lab.run(&["down"]).expect("down runs");
    assert!(down.status.success(), "down ended with {}", down.status);
    kills::judge(&lab, &deaths, RESUME_LIMIT);
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
