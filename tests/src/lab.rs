//! A lab of the tests' own: other name, other subnet, other home, so that it runs beside a user's lab.

use coordinator::places::Places;
use model::lab::Lab;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// The real `coordinator` in a lab of its own; removed again when dropped.
#[derive(Debug)]
pub struct TestLab {
    program: PathBuf,
    home: tempfile::TempDir,
    document: PathBuf,
    /// The lab's document.
    pub lab: Lab,
    /// Where its drills and components are; None for the checkout of the tests.
    project: Option<PathBuf>,
    /// Held until everything is removed: tests run side by side, and their labs share a subnet and two cores.
    _turn: std::fs::File,
}

impl TestLab {
    /// The document of a lab that runs beside a user's, for a test that changes it.
    pub fn document(name: &str) -> Lab {
        let mut lab = Lab::with_subnet(name, [192, 168, 74]);
        lab.network.coordinator_port = 17443;
        lab
    }

    /// Prepares home and document; nothing is started.
    ///
    /// Blocks while another test on this host has a lab.
    pub fn new(name: &str) -> std::io::Result<Self> {
        Self::of(Self::document(name))
    }

    /// The same for a document of the test's own.
    pub fn of(lab: Lab) -> std::io::Result<Self> {
        let turn = std::fs::File::create(std::env::temp_dir().join("drillyard-test-lab.lock"))?;
        turn.lock()?;
        let home = tempfile::Builder::new().prefix("drillyard-test-").tempdir()?;
        let document = home.path().join("document.yaml");
        std::fs::write(&document, lab.to_yaml())?;
        Ok(Self {
            program: program()?,
            home,
            document,
            lab,
            project: None,
            _turn: turn,
        })
    }

    /// The same lab with another checkout.
    #[must_use]
    pub fn in_project(mut self, project: &Path) -> Self {
        self.project = Some(project.to_owned());
        self
    }

    /// The lab's folders, as the program derives them.
    pub fn places(&self) -> Places {
        Places {
            home: self.home(),
            cache: cache(),
            project: self.project.clone().unwrap_or_else(|| root().to_owned()),
            program: self.program.clone(),
        }
    }

    /// The lab's home.
    pub fn home(&self) -> PathBuf {
        self.home.path().join("home")
    }

    /// Kubeconfig of a cluster.
    pub fn kubeconfig(&self, cluster: &str) -> PathBuf {
        self.home().join("kubeconfig").join(cluster)
    }

    /// The program with these words, in this lab.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg("--file")
            .arg(&self.document)
            .args(words)
            .env("DRILLYARD_HOME", self.home())
            .stdin(Stdio::null());
        if let Some(project) = &self.project {
            command.env("DRILLYARD_PROJECT", project);
        }
        command
    }

    /// Runs to the end; output goes to the test's own.
    pub fn run(&self, words: &[&str]) -> std::io::Result<Output> {
        self.command(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .output()
    }

    /// Starts and does not wait; what it says goes to the test's own stderr, its data nowhere.
    pub fn start(&self, words: &[&str]) -> std::io::Result<Child> {
        self.command(words)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
    }

    /// Cuts (`lost`) or gives (`on`) a node's power, as its launcher does.
    pub fn power(&self, node: &str, to: &str) -> std::io::Result<Output> {
        let (home, cache) = (self.home(), cache());
        let lab = [
            "node",
            "power",
            "--lab",
            self.lab.name.as_str(),
            "--provider",
            "nspawn",
            "--name",
            node,
            "--to",
            to,
        ];
        self.command(&lab)
            .arg("--home")
            .arg(home)
            .arg("--cache")
            .arg(cache)
            .output()
    }

    /// `kubectl` of the bundle against a cluster.
    pub fn kubectl(&self, cluster: &str, words: &[&str]) -> Result<String, String> {
        let output = Command::new(cache().join("bundle/bin/kubectl"))
            .arg("--kubeconfig")
            .arg(self.kubeconfig(cluster))
            .args(words)
            .output()
            .map_err(|e| e.to_string())?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }
}

impl Drop for TestLab {
    fn drop(&mut self) {
        let _ = self.command(&["down", "--purge"]).stdout(Stdio::null()).status();
    }
}

/// The cache that the program uses too.
pub fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    std::env::var_os("DRILLYARD_CACHE").map_or_else(|| home().join(".cache/drillyard"), PathBuf::from)
}

/// The checkout.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The `coordinator` of the same build as the tests; figures are measured with a release build by the benchmark.
pub fn program() -> std::io::Result<PathBuf> {
    let root = root();
    let mut cargo = Command::new("cargo");
    cargo
        .args(["build", "--locked", "--bin", "coordinator"])
        .current_dir(root);
    // What cargo tells a test of its own package makes build scripts run anew, and half of the workspace after them.
    let of_the_test = std::env::vars_os().map(|(name, _)| name).filter(|name| {
        let name = name.to_string_lossy();
        name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
    });
    of_the_test.for_each(|name| {
        cargo.env_remove(name);
    });
    if !cargo.status()?.success() {
        return Err(std::io::Error::other("cargo build --bin coordinator failed"));
    }
    // Seen from where cargo was started, as cargo itself sees it.
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(root.join(target).join("debug/coordinator"))
}

/// Whether the real lab can run here; says why not. With `DRILLYARD_REQUIRE_LAB` set it must.
pub fn fit() -> bool {
    let Some(reason) = unfit() else { return true };
    assert!(
        std::env::var_os("DRILLYARD_REQUIRE_LAB").is_none(),
        "the real lab must run here, but: {reason}"
    );
    eprintln!("SKIPPED: {reason}");
    false
}

fn unfit() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("nodes are systemd-nspawn containers: Linux only".into());
    }
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    (!root).then(|| "needs root".into())
}
