//! Golden screens: what is drawn for a given state, character by character; and what keys do.
//!
//! After a wanted change: `DRILLYARD_REGENERATE=1 cargo test -p coordinator --lib dashboard`, then read the difference.

use super::*;
use model::moment::Moment;
use model::node_log::NodeLog;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use serde_json::{Value, json};
use std::path::Path;

fn node(name: &str, role: &str, ready: bool, agent: &str, conditions: Value) -> Value {
    json!({"name": name, "role": role, "ready": ready, "conditions": conditions,
        "agent": {"state": agent, "version": "0.1.0", "last_seen_ms": 212}})
}

/// A lab in the middle of its bootstrap: one node lost, one step stuck with its cause, one waiting for a person.
fn model() -> Model {
    let disk = json!([{"type": "DiskPressure", "status": "true", "reason": "NearlyFull", "message": "97 % of 40 GB used",
        "since": "2026-11-25T04:00:00.000000Z"},
        {"type": "KubeletRunning", "status": "true", "reason": "Active", "message": "kubelet.service is active",
        "since": "2026-11-25T03:58:00.000000Z"}]);
    let mut model = Model {
        now: Moment(1_700_000_030_000_000),
        source: "live".into(),
        ..Model::default()
    };
    model.take(Update::Status(json!({
        "lab": "default", "epoch": 3, "revision": 90, "phase": 2,
        "run": {"id": "4f1c0de0aa", "state": "active", "done": 34, "steps": 52, "through": 3},
        "clusters": [
            {"name": "mgmt", "conditions": [], "nodes": [
                node("mgmt-cp", "control_plane", true, "connected", json!([])),
                node("mgmt-worker", "worker", false, "connected", disk)]},
            {"name": "app1", "conditions": [], "nodes": [
                node("app1-cp", "control_plane", false, "suspect", json!([])),
                node("app1-worker", "worker", false, "lost", json!([]))]}],
        "waits": [
            {"step": "aa", "name": "app1-cp kubeadm_init/wait_control_plane", "node": "app1-cp", "cluster": "app1", "attempt": 1,
             "blocker": "running", "detail": "etcd does not start", "summary": "etcd exits: disk full (3 exits in 20 s)",
             "since": 1_700_000_000_000_000_i64, "expected_ms": 4000, "deadline": 1_700_000_240_000_000_i64},
            {"step": "bb", "name": "mgmt await_ready/cilium", "node": null, "cluster": "mgmt", "attempt": 2,
             "blocker": "decision", "summary": "needs a decision: image not found", "since": 1_700_000_020_000_000_i64,
             "expected_ms": 60000, "deadline": null}],
        "contracts": [{"id": "C1", "state": "not_covered"}, {"id": "C5", "state": "pass"}, {"id": "C6", "state": "fail"}],
    }).into()));
    for (revision, node, kind, severity, message) in [
        (
            81,
            "mgmt-cp",
            "step_succeeded",
            "info",
            "kubeadm_init/certs: done in 1.2 s",
        ),
        (82, "app1-worker", "agent_lost", "error", "silent for 20 s"),
        (
            83,
            "app1-cp",
            "step_failed",
            "error",
            "kubeadm_init/etcd: no space left\u{1b}[31m on device",
        ),
        (
            84,
            "mgmt-worker",
            "condition",
            "warning",
            "DiskPressure: 97 % of 40 GB used",
        ),
    ] {
        model.take(Update::Event(json!({"revision": revision, "time": format!("2026-11-25T04:00:{:02}.000000Z", revision - 60),
            "node": node, "kind": kind, "severity": severity, "message": message, "code": "DY-0501", "cluster": "x"})));
    }
    model
}

fn screen(model: &Model, ui: &Ui, width: u16, height: u16) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).expect("a backend");
    terminal.draw(|frame| draw(frame, model, ui)).expect("drawn");
    let buffer = terminal.backend().buffer();
    let mut out = String::new();
    for y in 0..height {
        let line: String = (0..width)
            .map(|x| buffer.cell((x, y)).map_or(" ", |cell| cell.symbol()))
            .collect();
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

fn golden(name: &str, screen: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/dashboard/golden/{name}.txt"));
    if std::env::var_os("DRILLYARD_REGENERATE").is_some() {
        std::fs::write(&path, screen).expect("written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == screen,
        "{name} differs from {}:\n{screen}",
        path.display()
    );
}

fn press(ui: &mut Ui, model: &Model, keys: &[KeyCode]) {
    for code in keys {
        assert_eq!(
            ui.key(KeyEvent::new(*code, KeyModifiers::NONE), model),
            Action::Redraw
        );
    }
}

fn typed(text: &str) -> Vec<KeyCode> {
    text.chars().map(KeyCode::Char).collect()
}

#[test]
fn the_overview_shows_clusters_waits_contracts_and_events() {
    golden("overview", &screen(&model(), &Ui::default(), 120, 24));
    golden("narrow", &screen(&model(), &Ui::default(), 80, 24));
}

#[test]
fn a_running_drill_counts_down() {
    let mut model = model();
    let clock = |cluster: &str, left: Option<u64>, trouble: &str| {
        json!({"cluster": cluster, "outage": true, "left_ms": left, "dies_at": null, "guaranteed_ms": null,
            "expected_ms": null, "trouble": trouble})
    };
    model.status["drill"] = json!({"drill": "mgmt-down", "run": "4f", "phase": "observe", "phase_ms": 47_000,
        "left_ms": 43_000, "backlogs": [clock("app1", Some(3_661_900), ""), clock("app2", None, "no answer")]});
    golden("drill", &screen(&model, &Ui::default(), 120, 16));
}

#[test]
fn before_the_first_answer_and_on_a_tiny_terminal_nothing_breaks() {
    golden("empty", &screen(&Model::default(), &Ui::default(), 60, 12));
    for (width, height) in [(1, 1), (3, 2), (10, 5), (200, 3), (20, 60)] {
        for screen_kind in [KeyCode::Enter, KeyCode::Char('?'), KeyCode::Esc] {
            let mut ui = Ui::default();
            press(&mut ui, &model(), &[screen_kind]);
            let _ = screen(&model(), &ui, width, height);
        }
    }
}

#[test]
fn nodes_of_a_silent_cluster_are_unknown_and_the_detail_says_why() {
    let mut model = model();
    model.status["clusters"][1]["conditions"] = json!([{"type": "ApiServerAnswers", "status": "unknown",
        "reason": "NoAnswer", "message": "connection refused; its last answer is 7 s old", "since": "2026-11-25T04:00:00.000000Z"}]);
    let mut ui = Ui::default();
    golden("silent", &screen(&model, &ui, 120, 16));
    press(&mut ui, &model, &[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    golden("silent-node", &screen(&model, &ui, 110, 18));
}

#[test]
fn enter_opens_a_node_a_wait_and_an_event() {
    let model = model();
    let mut ui = Ui::default();
    press(&mut ui, &model, &[KeyCode::Down, KeyCode::Enter]);
    golden("node", &screen(&model, &ui, 110, 20));
    press(&mut ui, &model, &[KeyCode::Esc, KeyCode::Tab, KeyCode::Enter]);
    golden("wait", &screen(&model, &ui, 110, 20));
    press(
        &mut ui,
        &model,
        &[KeyCode::Esc, KeyCode::Tab, KeyCode::Down, KeyCode::Enter],
    );
    golden("event", &screen(&model, &ui, 110, 24));
}

#[test]
fn a_node_of_a_bundle_shows_its_logs_one_after_the_other() {
    let mut model = model();
    for (node, log, text) in [
        ("app1-cp", NodeLog::Kubelet, "1 started\n2 \u{1b}[2Jfailed\n"),
        ("app1-cp", NodeLog::Steps, "kubeadm says\n"),
        ("app1-worker", NodeLog::Kubelet, "another node's\n"),
    ] {
        model.logs.push(NodeFile {
            node: node.into(),
            log,
            text: text.into(),
        });
    }
    let mut ui = Ui::default();
    press(&mut ui, &model, &[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    let o = KeyCode::Char('o');
    assert!(screen(&model, &ui, 100, 24).contains("o: its logs"));
    press(&mut ui, &model, &[o]);
    golden("log", &screen(&model, &ui, 100, 24));
    press(&mut ui, &model, &[KeyCode::Down]);
    let scrolled = screen(&model, &ui, 100, 24);
    assert!(
        scrolled.contains("1 started") && !scrolled.contains("failed"),
        "{scrolled}"
    );
    press(&mut ui, &model, &[o]);
    assert!(screen(&model, &ui, 100, 24).contains("kubeadm says"));
    press(&mut ui, &model, &[o]);
    assert!(screen(&model, &ui, 100, 24).contains("its events"));
}

#[test]
fn a_filter_is_typed_kept_and_dropped() {
    let model = model();
    let mut ui = Ui::default();
    press(&mut ui, &model, &typed("/node:app1"));
    assert_eq!(ui.events(&model).len(), 2);
    golden("typing", &screen(&model, &ui, 120, 20));
    press(&mut ui, &model, &[KeyCode::Enter, KeyCode::Char('e')]);
    assert_eq!(ui.events(&model).len(), 2, "both are errors");
    press(&mut ui, &model, &[KeyCode::Esc]);
    assert_eq!(ui.events(&model).len(), 4);
    press(&mut ui, &model, &[KeyCode::Char('e')]);
    assert_eq!(ui.events(&model).len(), 3, "one is information");
}

/// The lab with what agents send all the time, before and after the other events; as a bundle or as it is now.
fn sampled(source: &str) -> Model {
    let mut model = model();
    let sample = |revision: u64, node: &str| {
        json!({"revision": revision, "time": "2026-11-25T04:00:40.000000Z", "node": node, "kind": "health",
            "class": "health", "severity": "debug", "message": "health"})
    };
    model.events.push_front(sample(80, "mgmt-cp"));
    model.take(Update::Event(sample(85, "mgmt-cp")));
    model.take(Update::Event(sample(86, "app1-cp")));
    model.take(Update::Event(
        json!({"revision": 87, "time": "2026-11-25T04:00:41.000000Z", "node": "app1-cp", "kind": "condition_changed",
            "class": "health", "severity": "info", "message": "KubeletRunning is true: kubelet.service is active"}),
    ));
    model.source = source.into();
    model
}

#[test]
fn samples_are_hidden_until_they_are_asked_for() {
    for source in ["live", "lab.tar.gz"] {
        let model = sampled(source);
        let mut ui = Ui::default();
        assert_eq!(ui.events(&model).len(), 5, "a condition that turned is no sample");
        let hidden = screen(&model, &ui, 120, 20);
        press(&mut ui, &model, &[KeyCode::Tab, KeyCode::Tab, KeyCode::Down]);
        press(&mut ui, &model, &[KeyCode::Char('s')]);
        assert_eq!((ui.events(&model).len(), ui.selected[2]), (8, 0));
        if source == "live" {
            golden("samples-hidden", &hidden);
            golden("samples-shown", &screen(&model, &ui, 120, 20));
        }
        press(&mut ui, &model, &[KeyCode::Char('s')]);
        assert_eq!(ui.events(&model).len(), 5);
    }
}

#[test]
fn samples_are_hidden_in_a_nodes_detail_too() {
    let (model, mut ui) = (sampled("live"), Ui::default());
    press(&mut ui, &model, &[KeyCode::Enter]);
    let samples = |ui: &Ui| {
        let screen = screen(&model, ui, 110, 24);
        screen.lines().filter(|line| line.contains(" health ")).count()
    };
    assert_eq!(samples(&ui), 0);
    press(&mut ui, &model, &[KeyCode::Char('s')]);
    assert_eq!(samples(&ui), 2, "{}", screen(&model, &ui, 110, 24));
}

#[test]
fn every_key_of_the_footer_fits_a_narrow_terminal_and_is_explained() {
    let mut ui = Ui::default();
    assert!(screen(&model(), &ui, 80, 24).trim_end().ends_with("q quit"));
    press(&mut ui, &model(), &[KeyCode::Char('?')]);
    golden("keys", &screen(&model(), &ui, 100, 18));
}

#[test]
fn selection_stays_inside_whatever_the_lists_hold() {
    let mut model = model();
    let mut ui = Ui::default();
    press(&mut ui, &model, &[KeyCode::Tab, KeyCode::Tab, KeyCode::End]);
    assert_eq!(ui.selected[2], 3);
    press(&mut ui, &model, &[KeyCode::PageDown, KeyCode::Up]);
    assert_eq!(ui.selected[2], 2);
    model.events.clear();
    press(&mut ui, &model, &[KeyCode::Down, KeyCode::Enter]);
    assert_eq!(ui.screen, super::ui::Screen::Overview, "nothing to open");
    let _ = screen(&model, &ui, 100, 20);
}

#[test]
fn only_the_tail_of_the_events_is_kept() {
    let mut model = Model::default();
    for revision in 0..6000 {
        model.take(Update::Event(json!({"revision": revision})));
    }
    assert_eq!(model.events.len(), 5000);
    let kept = model.events.iter().map(|event| event["revision"].as_u64());
    assert!(kept.eq((1000..6000).map(Some)), "the newest, without a hole");
    model.take(Update::Event(json!({"revision": 6000})));
    assert!(model.events.len() < 5000, "room is made for several at once");
}

#[test]
fn samples_do_not_push_out_what_matters() {
    let mut model = Model::default();
    model.take(Update::Event(json!({"revision": 0, "severity": "warning"})));
    for revision in 1..20_000 {
        model.take(Update::Event(
            json!({"revision": revision, "class": "health", "severity": "debug"}),
        ));
    }
    assert!(model.events.len() <= 5000);
    let kept: Vec<_> = model
        .events
        .iter()
        .filter_map(|event| event["revision"].as_u64())
        .collect();
    assert_eq!(kept[0], 0);
    let newest = 20_000 - (u64::try_from(kept.len()).expect("few") - 1);
    assert!(
        kept[1..].iter().copied().eq(newest..20_000),
        "of the samples the newest"
    );
}

#[test]
fn q_and_ctrl_c_end() {
    let (model, mut ui) = (model(), Ui::default());
    let key = |code, modifiers| KeyEvent::new(code, modifiers);
    assert_eq!(
        ui.key(key(KeyCode::Char('q'), KeyModifiers::NONE), &model),
        Action::Quit
    );
    press(&mut ui, &model, &typed("/q"));
    assert_eq!(ui.typed, "q", "while a filter is typed, q is a letter");
    assert_eq!(
        ui.key(key(KeyCode::Char('c'), KeyModifiers::CONTROL), &model),
        Action::Quit
    );
}
