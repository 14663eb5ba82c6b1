//! The README's first command on the real lab: three clusters, six nodes, one mesh, whoever is killed on the way; then nothing
//! left. Who was there before it sees all of it.

use crate::{faults, global_service, health, kills, leftovers};
use std::time::{Duration, Instant};
use tests::dice::Dice;
use tests::hunt::{self, Pace};
use tests::lab::{TestLab, fit};
use tests::subscriber::{self, EarlySubscriber};

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
    // `up` starts its own after each death of one, and where there never was one in the test of tokens.
    let _served = subscriber::serve(&lab).expect("a coordinator");
    let early = EarlySubscriber::start(&lab).expect("a subscriber");
    let mut dice = Dice::new();
    let words = ["up", "--yes", "--through", "3"];
    let deaths = hunt::up(&lab, &words, KILLS, PACE, &mut dice).expect("up ends well");
    health::check(&lab);
    global_service::check(&lab).expect("global service");
    a_second_up_does_nothing(&lab);
    what_was_deleted_comes_back(&lab);
    faults::check(&lab);
    let came = early.check(&lab).unwrap_or_else(|error| panic!("{error}"));
    eprintln!("{came} events came to the subscriber from before `up`, each once and in order");

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
    assert_eq!(steps_of_up_again(lab), Vec::<String>::new());
    eprintln!("second up: {:.2} s", since.elapsed().as_secs_f64());
}

/// Somebody deletes what a component had installed: `up` brings it back, and touches nothing else.
fn what_was_deleted_comes_back(lab: &TestLab) {
    let operator = ["-n", "kube-system", "deployment/cilium-operator"];
    let words = |verb| [&[verb][..], &operator[..]].concat();
    lab.kubectl("app2", &words("delete")).expect("deleted");
    let ran = steps_of_up_again(lab);
    assert_eq!(ran, ["app2 install/cilium", "app2 await_ready/cilium"]);
    lab.kubectl("app2", &words("get")).expect("it is there again");
}

/// What another `up` hands out, in order: the cluster and the step. Which attempt it is depends on who was killed before.
fn steps_of_up_again(lab: &TestLab) -> Vec<String> {
    let again = lab
        .run(&["--json", "up", "--yes", "--through", "3"])
        .expect("up runs");
    assert!(again.status.success(), "up ended with {}", again.status);
    let events = String::from_utf8_lossy(&again.stdout);
    let events: Vec<serde_json::Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line of JSON"))
        .collect();
    let handed_out = events.iter().filter(|event| event["kind"] == "step_dispatched");
    handed_out
        .map(|event| {
            let text = |key: &str| event[key].as_str().unwrap_or_default();
            let (step, _) = text("message").split_once(": handed out").expect("its words");
            format!("{} {step}", text("cluster"))
        })
        .collect()
}
