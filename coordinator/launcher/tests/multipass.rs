//! The Multipass provider against a stand-in for the command, whose outputs are those of Multipass 1.16.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use launcher::multipass::Multipass;
use launcher::{LabHandle, NodeProvider, NodeSpec, Outcome, Power, PowerOff};

struct Fake {
    dir: tempfile::TempDir,
    provider: Multipass,
}

impl Fake {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/multipass");
        fs::copy(from, dir.path().join("multipass")).unwrap();
        let lab = LabHandle {
            lab: "lab".into(),
            home: dir.path().join("home"),
            cache: dir.path().join("cache"),
        };
        let mut provider = Multipass::new(lab);
        provider.command = dir.path().join("multipass");
        provider.address_limit = Duration::from_millis(300);
        Self { dir, provider }
    }

    fn set(&self, file: &str, text: &str) {
        let path = self.dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default()
    }
}

fn spec() -> NodeSpec {
    NodeSpec {
        name: "app1-cp".into(),
        role: "control_plane".into(),
        address: Ipv4Addr::new(192, 168, 64, 20),
        prefix: 24,
        gateway: Ipv4Addr::new(192, 168, 64, 1),
        cpus: 2,
        memory_mib: 2560,
        disk_gib: 25,
    }
}

const USER_DATA: &str = "#cloud-config\n# addresses: [192.168.64.20/24]\n# secret-token\n";

fn user_data() -> Result<String, String> {
    Ok(USER_DATA.to_owned())
}

#[test]
fn launch_names_sizes_and_image_and_pipes_the_user_data() {
    let fake = Fake::new();
    let state = fake.provider.ensure(&spec(), &mut user_data).unwrap();
    assert_eq!((state.outcome, state.power), (Outcome::Created, Power::Running));
    let wanted = "launch 24.04 --name drillyard-lab-app1-cp --cpus 2 --memory 2560M --disk 25G --timeout 600 --cloud-init -\n";
    assert!(fake.calls().contains(wanted), "{}", fake.calls());
    assert!(!fake.calls().contains("secret-token"));
    assert_eq!(
        fs::read_to_string(fake.dir.path().join("stdin")).unwrap(),
        USER_DATA
    );
}

#[test]
fn zones_keep_all_nodes_in_one_subnet() {
    let fake = Fake::new();
    fake.set("zones", "");
    fake.provider.ensure(&spec(), &mut user_data).unwrap();
    assert!(fake.calls().contains("--zone zone1"), "{}", fake.calls());
}

#[test]
fn a_second_ensure_adopts_and_asks_for_no_token() {
    let fake = Fake::new();
    fake.provider.ensure(&spec(), &mut user_data).unwrap();
    let state = fake
        .provider
        .ensure(&spec(), &mut || Err("asked".into()))
        .unwrap();
    assert_eq!(state.outcome, Outcome::Adopted);
}

#[test]
fn a_launch_that_times_out_is_adopted() {
    let fake = Fake::new();
    fake.set("launch", "timeout");
    let state = fake.provider.ensure(&spec(), &mut user_data).unwrap();
    assert_eq!(state.power, Power::Running);
}

#[test]
fn a_launch_that_made_nothing_is_an_error_with_its_text() {
    let fake = Fake::new();
    fake.set("launch", "fail");
    let error = fake.provider.ensure(&spec(), &mut user_data).unwrap_err();
    assert!(error.to_string().contains("unreachable"), "{error}");
    fs::remove_file(fake.dir.path().join("launch")).unwrap();
    assert!(
        fake.provider.ensure(&spec(), &mut user_data).is_ok(),
        "not repeatable"
    );
}

#[test]
fn an_address_that_does_not_come_is_told_with_what_is_there() {
    let fake = Fake::new();
    let error = fake
        .provider
        .ensure(&spec(), &mut || Ok("#cloud-config\n".into()))
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("192.168.64.20") && text.contains("192.168.64.5"),
        "{text}"
    );
}

#[test]
fn power_follows_the_drills() {
    let fake = Fake::new();
    let node = &fake.provider;
    node.ensure(&spec(), &mut user_data).unwrap();
    node.suspend("app1-cp").unwrap();
    assert_eq!(node.state("app1-cp").unwrap().unwrap().power, Power::Suspended);
    assert_eq!(node.resume("app1-cp").unwrap().power, Power::Running);
    node.power_off("app1-cp", PowerOff::Abrupt).unwrap();
    assert!(fake.calls().contains("stop --force drillyard-lab-app1-cp"));
    assert_eq!(node.state("app1-cp").unwrap().unwrap().power, Power::Off);
    assert_eq!(node.power_on("app1-cp").unwrap().outcome, Outcome::PoweredOn);
}

#[test]
fn a_deleted_machine_is_recovered_not_made_anew() {
    let fake = Fake::new();
    fake.provider.ensure(&spec(), &mut user_data).unwrap();
    fake.set("m/drillyard-lab-app1-cp/state", "Deleted");
    let state = fake.provider.ensure(&spec(), &mut user_data).unwrap();
    assert_eq!((state.outcome, state.power), (Outcome::PoweredOn, Power::Running));
    assert_eq!(fake.calls().matches("launch 24.04").count(), 1);
}

#[test]
fn removal_takes_the_exact_name_only() {
    let fake = Fake::new();
    fake.provider.ensure(&spec(), &mut user_data).unwrap();
    fake.set("m/drillyard-lab-app1-cp2/state", "Running");
    fake.set("m/primary/state", "Running");
    fake.provider.remove("app1-cp").unwrap();
    fake.provider.remove("app1-cp").unwrap();
    let left = fs::read_dir(fake.dir.path().join("m")).unwrap().count();
    assert_eq!(left, 2);
    assert!(!fake.calls().contains("--all"));
    assert!(fake.provider.state("app1-cp").unwrap().is_none());
}

#[test]
fn a_fresh_token_goes_through_standard_input() {
    let fake = Fake::new();
    fake.provider.ensure(&spec(), &mut user_data).unwrap();
    fake.provider.deliver_token("app1-cp", "fresh-token").unwrap();
    let written = fs::read_to_string(fake.dir.path().join("stdin")).unwrap();
    assert_eq!(written, "fresh-token");
    assert!(fake.calls().contains("/var/lib/drillyard/seed/token") && !fake.calls().contains("fresh-token"));
    assert!(fake.provider.deliver_token("app2-cp", "t").is_err());
}
