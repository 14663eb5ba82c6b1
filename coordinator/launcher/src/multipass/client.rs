//! The command lines of `multipass`.

use std::process::Output;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::Multipass;
use super::json::{Info, List, Machine};
use crate::command::{into_stdout, run_with_input, run_within};
use crate::error::LaunchError;
use crate::spec::NodeSpec;

/// The release is pinned: `lts` and the default follow the newest one.
const IMAGE: &str = "24.04";

/// How long its daemon may take to say what there is: it was seen to need seconds.
const LOOK: Duration = Duration::from_secs(60);

/// Beyond Multipass's own limit of a launch, which ends the waiting by itself.
const LAUNCH_GRACE: Duration = Duration::from_secs(60);

impl Multipass {
    /// The machine of exactly this name, if there is one. Presence is read from the list, not from an error's text.
    pub(super) fn machine(&self, machine: &str) -> Result<Option<Machine>, LaunchError> {
        let list: List = self.json(&["list", "--format", "json"], "list")?;
        if !list.list.iter().any(|l| l.name == machine) {
            return Ok(None);
        }
        let mut info: Info = self.json(&["info", machine, "--format", "json"], "info")?;
        Ok(info.info.remove(machine))
    }

    /// Launches a machine; user-data goes through standard input, so that the token in it is neither in the process
    /// list nor in a file.
    pub(super) fn launch(
        &self,
        machine: &str,
        spec: &NodeSpec,
        user_data: &str,
    ) -> Result<Output, LaunchError> {
        let (cpus, memory, disk, limit) = (
            spec.cpus.to_string(),
            format!("{}M", spec.memory_mib),
            format!("{}G", spec.disk_gib),
            self.launch_limit.as_secs().to_string(),
        );
        let mut arguments = vec![
            "launch",
            IMAGE,
            "--name",
            machine,
            "--cpus",
            &cpus,
            "--memory",
            &memory,
            "--disk",
            &disk,
            "--timeout",
            &limit,
            "--cloud-init",
            "-",
        ];
        // With availability zones (1.17) every zone has a subnet of its own; the nodes need a common one.
        if self.look(&["help", "launch"], "help")?.contains("--zone") {
            arguments.extend(["--zone", "zone1"]);
        }
        let limit = self.launch_limit + LAUNCH_GRACE;
        run_with_input(&self.program(), arguments, "launch", user_data, limit)
    }

    /// Replaces a file of a running machine, readable by root only; the text goes through standard input.
    pub(super) fn write_as_root(&self, machine: &str, path: &str, text: &str) -> Result<(), LaunchError> {
        // Renamed into place, so that a reader never finds half of it. `path` is a constant of this crate.
        let script = "umask 077 && cat > \"$1.new\" && mv \"$1.new\" \"$1\"";
        let arguments = ["exec", machine, "--", "sudo", "sh", "-c", script, "write", path];
        let output = run_with_input(&self.program(), arguments, "exec", text, LOOK)?;
        self.failure("exec", output)
    }

    /// Runs a command that changes a machine, which may take as long as making one.
    pub(super) fn call(&self, arguments: &[&str], subject: &str) -> Result<String, LaunchError> {
        run_within(&self.program(), arguments, subject, self.launch_limit)
    }

    fn look(&self, arguments: &[&str], subject: &str) -> Result<String, LaunchError> {
        run_within(&self.program(), arguments, subject, LOOK)
    }

    /// The failure of a finished command.
    pub(super) fn failure(&self, subject: &str, output: Output) -> Result<(), LaunchError> {
        into_stdout(&self.program(), subject, output).map(|_| ())
    }

    fn json<T: DeserializeOwned>(&self, arguments: &[&str], subject: &str) -> Result<T, LaunchError> {
        let text = self.look(arguments, subject)?;
        serde_json::from_str(&text).map_err(|source| LaunchError::Json {
            what: format!("output of multipass {subject}"),
            source,
        })
    }

    fn program(&self) -> String {
        self.command.display().to_string()
    }
}
