//! Wrong input to the real program: each case stops before anything is made, with an exit code, a stable code, the cause and
//! what to do. Nothing of the lab is on the host afterwards.

use crate::leftovers;
use model::lab::Lab;
use serde_json::Value;
use std::any::Any;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};
use tests::lab::{cache, fit, program, root};

const NAME: &str = "badin";
const NOBODY: u32 = 65534;
/// Of this test alone, so that it runs beside a lab.
const PORT: u16 = 27443;

/// What must stay until the program has ended: a mount, a link, a listener.
type Guard = Box<dyn Any>;

/// One kind of wrong input.
struct Case {
    name: &'static str,
    /// Makes the input wrong and gives the command.
    prepare: fn(&Ground) -> (Command, Guard),
    exit: i32,
    code: &'static str,
    /// Words of cause and remedy.
    says: &'static [&'static str],
}

/// A document and a home of the case's own.
struct Ground {
    dir: tempfile::TempDir,
    program: PathBuf,
}

impl Ground {
    fn new(program: &Path) -> Self {
        let dir = tempfile::tempdir().expect("temp");
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("mode");
        let ground = Self {
            dir,
            program: program.to_owned(),
        };
        ground.document(&document().to_yaml());
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn document(&self, text: &str) {
        std::fs::write(self.path("lab.yaml"), text).expect("written");
    }

    /// The program with the document, a home below the ground, and no questions to be asked.
    fn command(&self, program: &Path, words: &[&str]) -> Command {
        let mut command = Command::new(program);
        command
            .args(["--json", "--file"])
            .arg(self.path("lab.yaml"))
            .args(words)
            .env("DRILLYARD_HOME", self.path("home"))
            .env("DRILLYARD_PROJECT", root())
            .env("DRILLYARD_CACHE", cache())
            .stdin(Stdio::null());
        command
    }

    fn up(&self) -> Command {
        self.command(&self.program, &["up", "--through", "3"])
    }

    /// A copy of the program that others may run and whose time may be changed.
    fn copy(&self) -> PathBuf {
        let copy = self.path("coordinator");
        std::fs::copy(&self.program, &copy).expect("copied");
        copy
    }
}

fn document() -> Lab {
    let mut lab = Lab::with_subnet(NAME, [192, 168, 79]);
    lab.network.coordinator_port = PORT;
    lab
}

/// A command that takes away what a case made on the host.
struct Undo(Vec<String>);

impl Drop for Undo {
    fn drop(&mut self) {
        let _ = Command::new(&self.0[0]).args(&self.0[1..]).status();
    }
}

fn must(program: &str, words: &[&str]) {
    let status = Command::new(program).args(words).status().expect("started");
    assert!(status.success(), "{program} {words:?}");
}

const CASES: &[Case] = &[
    Case {
        name: "no document",
        prepare: |ground| {
            std::fs::remove_file(ground.path("lab.yaml")).expect("removed");
            (ground.up(), Box::new(()))
        },
        exit: 2,
        code: "DY-0102",
        says: &["lab.yaml", "coordinator spec"],
    },
    Case {
        name: "an unknown key",
        prepare: |ground| {
            ground.document(&document().to_yaml().replace("memoryMib:", "memoryMb:"));
            (ground.up(), Box::new(()))
        },
        exit: 2,
        code: "DY-0103",
        says: &["memoryMb", "correct the named fields"],
    },
    Case {
        name: "clusters whose pods overlap",
        prepare: |ground| {
            ground.document(&document().to_yaml().replace("10.101.0.0/16", "10.100.0.0/16"));
            (ground.up(), Box::new(()))
        },
        exit: 2,
        code: "DY-0103",
        says: &["clusters[1]", "10.100.0.0/16", "overlap"],
    },
    Case {
        name: "an address that two nodes have",
        prepare: |ground| {
            ground.document(&document().to_yaml().replace("192.168.79.21", "192.168.79.20"));
            (ground.up(), Box::new(()))
        },
        exit: 2,
        code: "DY-0103",
        says: &["192.168.79.20"],
    },
    Case {
        name: "not root",
        prepare: |ground| {
            let mut command = ground.command(&ground.copy(), &["up", "--through", "3"]);
            command.uid(NOBODY).gid(NOBODY);
            (command, Box::new(()))
        },
        exit: 3,
        code: "DY-0105",
        says: &["FAIL root", "user 65534", "sudo"],
    },
    Case {
        name: "missing packages",
        prepare: |ground| {
            let mut command = ground.up();
            command.env("PATH", ground.path("empty"));
            (command, Box::new(()))
        },
        exit: 3,
        code: "DY-0105",
        says: &["FAIL packages", "install", "systemd-container", "FAIL terraform"],
    },
    Case {
        name: "a disk that is too small",
        prepare: |ground| {
            let home = ground.path("home");
            std::fs::create_dir(&home).expect("made");
            let at = home.display().to_string();
            must(
                "mount",
                &["-t", "tmpfs", "-o", "size=64m", "drillyard-small", &at],
            );
            (ground.up(), Box::new(Undo(vec!["umount".into(), at])))
        },
        exit: 3,
        code: "DY-0105",
        says: &["FAIL disk_home", "found 0 GiB", "DRILLYARD_HOME"],
    },
    Case {
        name: "a subnet that the host has already",
        prepare: |ground| {
            must("ip", &["link", "add", "dybadin0", "type", "bridge"]);
            let undo = Undo(["ip", "link", "delete", "dybadin0"].map(String::from).to_vec());
            must("ip", &["address", "add", "192.168.79.7/24", "dev", "dybadin0"]);
            (ground.up(), Box::new(undo))
        },
        exit: 3,
        code: "DY-0105",
        says: &[
            "FAIL subnet",
            "192.168.79.7/24 on link dybadin0",
            "choose another subnet",
        ],
    },
    Case {
        name: "a port in use",
        prepare: |ground| {
            let holder = TcpListener::bind(("127.0.0.1", PORT + 2)).expect("bound");
            (ground.up(), Box::new(holder))
        },
        exit: 3,
        code: "DY-0105",
        says: &[
            "FAIL ports",
            "127.0.0.1:27445",
            "ss -ltnp",
            "network.coordinatorPort",
        ],
    },
    Case {
        name: "a port in use, with the daemon in the foreground",
        prepare: |ground| {
            let holder = TcpListener::bind(("127.0.0.1", PORT + 2)).expect("bound");
            must("ip", &["link", "add", "dybadin0", "type", "bridge"]);
            let undo = Undo(["ip", "link", "delete", "dybadin0"].map(String::from).to_vec());
            must("ip", &["address", "add", "192.168.79.1/24", "dev", "dybadin0"]);
            must("ip", &["link", "set", "dybadin0", "up"]);
            (
                ground.command(&ground.program, &["serve"]),
                Box::new((holder, undo)),
            )
        },
        exit: 1,
        code: "DY-0161",
        says: &["127.0.0.1:27445", "in use"],
    },
    Case {
        name: "a clock that is off",
        prepare: |ground| {
            let copy = ground.copy();
            let file = std::fs::File::options().append(true).open(&copy).expect("opened");
            file.set_modified(SystemTime::now() + Duration::from_secs(86_400))
                .expect("set");
            drop(file);
            (ground.command(&copy, &["up", "--through", "3"]), Box::new(()))
        },
        exit: 3,
        code: "DY-0105",
        says: &["FAIL clock", "was written at", "set the clock"],
    },
    Case {
        name: "a broken image archive",
        prepare: |ground| {
            let copy = ground.path("cache");
            must(
                "cp",
                &[
                    "-as",
                    &cache().join("bundle").display().to_string(),
                    &copy.display().to_string(),
                ],
            );
            let images = copy.join("images");
            let archive = std::fs::read_dir(&images).expect("images").flatten().next();
            let archive = archive.expect("an image").path();
            std::fs::remove_file(&archive).expect("removed");
            std::fs::write(&archive, "not an archive").expect("written");
            std::fs::create_dir(ground.path("whole")).expect("made");
            std::fs::rename(&copy, ground.path("whole/bundle")).expect("moved");
            let mut command = ground.command(&ground.program, &["bundle", "verify"]);
            command.env("DRILLYARD_CACHE", ground.path("whole"));
            (command, Box::new(()))
        },
        exit: 5,
        code: "DY-0142",
        says: &["not as the manifest says", "bundle build"],
    },
];

#[test]
fn wrong_input_stops_with_code_cause_and_remedy() {
    if !fit() {
        return;
    }
    let program = program().expect("built");
    let mut wrong = Vec::new();
    for case in CASES {
        let ground = Ground::new(&program);
        let (mut command, guard) = (case.prepare)(&ground);
        let output = command.output().expect("started");
        drop(guard);
        if let Err(what) = judge(case, &output) {
            wrong.push(format!("{}: {what}", case.name));
        }
        let left = leftovers::of(NAME);
        assert!(left.is_empty(), "{} left {left:?}", case.name);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

fn judge(case: &Case, output: &Output) -> Result<(), String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let error = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .find_map(|line| line.get("error").cloned())
        .ok_or_else(|| format!("{}: no error object: {said}", output.status))?;
    if output.status.code() != Some(case.exit) || error["code"] != case.code {
        return Err(format!("{} {error}", output.status));
    }
    let text = format!("{} {}", error["message"], error["next"]);
    match case.says.iter().find(|word| !text.contains(*word)) {
        Some(missing) => Err(format!("does not say {missing:?}: {text}")),
        None if error["next"].as_str().is_none_or(str::is_empty) => Err("no next command".into()),
        None => Ok(()),
    }
}
