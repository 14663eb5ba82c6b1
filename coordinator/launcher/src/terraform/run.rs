//! Running `terraform`: variables written, modules installed, applied, with every line of progress handed on.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::{Inputs, Terraform, TerraformError, TerraformEvent, parse_line};
use crate::command::{last_lines, output_within};
use crate::error::LaunchError;
use crate::files::{make_dir, write_durably};

/// How long `init` may take: it fetches nothing, and took about a second on a busy host.
const INIT: Duration = Duration::from_secs(120);

/// Receives Terraform's progress.
pub type Progress<'a> = dyn FnMut(TerraformEvent) + 'a;

impl Terraform {
    /// Brings the nodes to what `inputs` say, `parallelism` at a time.
    ///
    /// # Errors
    /// [`TerraformError::Failed`] with the first error that Terraform told.
    pub fn apply(
        &self,
        inputs: &Inputs,
        parallelism: usize,
        progress: &mut Progress<'_>,
    ) -> Result<(), TerraformError> {
        self.write_inputs(inputs)?;
        self.init()?;
        self.run("apply", parallelism, progress)
    }

    /// Removes what Terraform's state knows of; nothing to do where it was never applied.
    ///
    /// # Errors
    /// As [`Terraform::apply`].
    pub fn destroy(&self, parallelism: usize, progress: &mut Progress<'_>) -> Result<(), TerraformError> {
        if !self.state_file().exists() {
            return Ok(());
        }
        self.init()?;
        self.run("destroy", parallelism, progress)
    }

    fn write_inputs(&self, inputs: &Inputs) -> Result<(), TerraformError> {
        let path = self.variables_file();
        let text = serde_json::to_string_pretty(inputs).map_err(|source| {
            TerraformError::Files(LaunchError::Json {
                what: path.display().to_string(),
                source,
            })
        })?;
        make_dir(&self.folder(), 0o700)
            .and_then(|()| write_durably(&path, text.as_bytes(), 0o600))
            .map_err(TerraformError::Files)
    }

    /// Downloads nothing: the only provider is built in, and the modules are folders. Cheap enough for every run, and
    /// so a changed source is never used with modules of an older one.
    fn init(&self) -> Result<(), TerraformError> {
        let mut command = self.command();
        command.args(["init", "-backend=false", "-input=false", "-no-color"]);
        let output = output_within(command, "init", INIT).map_err(|error| match error {
            LaunchError::CommandStart { source, .. } => self.start_error(source),
            hung => TerraformError::Failed {
                command: "init",
                summary: hung.to_string(),
                detail: String::new(),
                address: None,
            },
        })?;
        if output.status.success() {
            return Ok(());
        }
        Err(TerraformError::Failed {
            command: "init",
            summary: last_lines(&String::from_utf8_lossy(&output.stderr), 6),
            detail: String::new(),
            address: None,
        })
    }

    fn run(
        &self,
        command: &'static str,
        parallelism: usize,
        progress: &mut Progress<'_>,
    ) -> Result<(), TerraformError> {
        let mut child = self
            .command()
            .args([command, "-auto-approve", "-json", "-input=false"])
            .args(["-lock-timeout=30s", "-backup=-"])
            .arg(format!("-parallelism={}", parallelism.max(1)))
            .arg(format!("-state={}", self.state_file().display()))
            .arg(format!("-var-file={}", self.variables_file().display()))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|source| self.start_error(source))?;
        // Drained beside standard output: a full pipe would stop Terraform.
        let stderr = child.stderr.take().map(|mut pipe| {
            std::thread::spawn(move || {
                let mut bytes = Vec::new();
                let _ = pipe.read_to_end(&mut bytes);
                String::from_utf8_lossy(&bytes).into_owned()
            })
        });
        let mut first_error = None;
        let mut dialect = None;
        if let Some(stdout) = child.stdout.take() {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let Some(event) = parse_line(&line) else {
                    continue;
                };
                note(&event, command, &mut first_error, &mut dialect);
                progress(event);
            }
        }
        let status = child.wait().map_err(|source| self.start_error(source))?;
        let said = stderr.and_then(|t| t.join().ok()).unwrap_or_default();
        if let Some(found) = dialect.filter(|d| d.split('.').next() != Some("1")) {
            return Err(TerraformError::Version { found });
        }
        if status.success() {
            return Ok(());
        }
        Err(first_error.unwrap_or_else(|| TerraformError::Failed {
            command,
            summary: format!("ended with {status}: {}", last_lines(&said, 4)),
            detail: String::new(),
            address: None,
        }))
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .arg(format!("-chdir={}", self.source.display()))
            .env("TF_DATA_DIR", self.folder().join("data"))
            .env("TF_IN_AUTOMATION", "1")
            .env("CHECKPOINT_DISABLE", "1")
            // Arguments slipped in from outside would change what is applied.
            .env_remove("TF_CLI_ARGS")
            .env_remove("TF_CLI_ARGS_apply")
            .env_remove("TF_CLI_ARGS_destroy")
            .env_remove("TF_WORKSPACE")
            .stdin(Stdio::null());
        command
    }

    fn start_error(&self, source: std::io::Error) -> TerraformError {
        TerraformError::Start {
            program: self.program.clone(),
            source,
        }
    }

    fn state_file(&self) -> PathBuf {
        self.folder().join("terraform.tfstate")
    }

    fn variables_file(&self) -> PathBuf {
        self.folder().join("terraform.tfvars.json")
    }
}

fn note(
    event: &TerraformEvent,
    command: &'static str,
    first_error: &mut Option<TerraformError>,
    dialect: &mut Option<String>,
) {
    match event {
        TerraformEvent::Version { ui } => *dialect = Some(ui.clone()),
        TerraformEvent::Diagnostic {
            severity,
            summary,
            detail,
            address,
        } if severity == "error" && first_error.is_none() => {
            *first_error = Some(TerraformError::Failed {
                command,
                summary: summary.clone(),
                detail: detail.clone(),
                address: address.clone(),
            });
        }
        _ => {}
    }
}
