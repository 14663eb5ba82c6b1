//! The words of the command line.

mod drills;

pub(super) use drills::{Drill, DrillAction, Fault, FaultAction, Report, ReportFormat};

use clap::{Parser, Subcommand};
use clap_complete::engine::ArgValueCandidates;
use model::ids::LogId;
use std::path::PathBuf;

/// Three Kubernetes clusters on one host, bootstrapped, watched and broken on purpose.
#[derive(Debug, Parser)]
#[command(name = "coordinator", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Args {
    /// Lab document; without it the compiled-in three clusters.
    #[arg(id = "document", long = "file", global = true, value_name = "FILE")]
    pub document: Option<PathBuf>,
    /// Machine-readable output: one object, or one per line for streams.
    #[arg(long, global = true)]
    pub json: bool,
    /// How the daemon's log lines look; a daemon in the background takes it from the variable.
    #[arg(
        long,
        global = true,
        value_enum,
        env = "DRILLYARD_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "text"
    )]
    pub log_format: LogFormat,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// Text for people.
    Text,
    /// One JSON object per line.
    Json,
}

const EXAMPLES: &str = "Examples:
  coordinator up --yes --through 3     three clusters with Cilium and Cluster Mesh, no questions
  coordinator up --dry-run             print the plan and its digest
  coordinator status                   clusters, nodes, agents, components
  coordinator drill mgmt-down          take the management cluster away and measure what happens
  coordinator events --follow          tail everything that happens
  coordinator web                      print the address of the live page
  coordinator down                     remove all that carries the lab's label";

const COMPLETIONS: &str = "Examples:
  source <(coordinator completions bash)
  coordinator completions zsh > ~/.zfunc/_coordinator
  coordinator completions fish > ~/.config/fish/completions/coordinator.fish";

/// Options of `man`.
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Page of this command, or of one below it as in `man drill plan`; without it the main page.
    #[arg(value_name = "COMMAND")]
    pub page: Vec<String>,
    /// Write the pages of all commands into this folder.
    #[arg(long, value_name = "DIR", conflicts_with = "page")]
    pub dir: Option<PathBuf>,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Bring the lab up, phase by phase; a second `up` changes nothing that is right
    Up(Up),
    /// Remove nodes, mounts, cgroups and bridge of this lab
    Down(Down),
    /// Show clusters, nodes, agents and components
    Status(Status),
    /// Show the durable log of events
    Events(Events),
    /// Show where the time of a run went: critical path and overhead
    Report(Report),
    /// Show when each certificate runs out, and what a given date would find
    Certs(Certs),
    /// Give a node a new single-use enrolment token
    Enrol(Enrol),
    /// End a node's certificates, tokens and sessions at once
    Revoke(Revoke),
    /// Explain an error code: cause, remedy and next command
    Explain(Explain),
    /// Fail parts on purpose, and see that nothing stays broken
    Drill(Drill),
    /// Inject one fault under a lease, or end it
    Fault(Fault),
    /// Check this host, and mend it on consent
    Doctor(Doctor),
    /// Build, list or verify what the nodes need
    Bundle(Bundle),
    /// Print or check the lab document
    Spec(Spec),
    /// Run the daemon in the foreground, with its web view
    Serve(Serve),
    /// Print the address of the daemon's web view: a live, read-only page
    #[command(after_help = super::web::EXAMPLES)]
    Web,
    /// Pack what is known of the lab into one redacted archive
    #[command(after_help = SUPPORT_EXAMPLES)]
    SupportBundle(SupportBundle),
    /// Show a support bundle, offline
    #[command(after_help = REPLAY_EXAMPLES)]
    Replay(Replay),
    /// Print a completion script that knows the live nodes
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// Which shell.
        #[arg(value_parser = ["bash", "zsh", "fish"])]
        shell: String,
    },
    /// The process that undoes one fault on the host
    #[command(hide = true)]
    LeaseGuard(super::lease_guard::LeaseGuard),
    /// Print a manual page, or write all of them into a folder
    Man(Man),
    /// What Terraform's modules call
    #[command(hide = true)]
    Node(launcher::cli::NodeArgs),
}

/// Options of `up`.
#[derive(Debug, clap::Args)]
pub struct Up {
    /// Stop after this phase: 1 host and nodes, 2 kubeadm, 3 network, 4 PKI and secrets, 5 policy, 6 observability, 7 delivery and backup (empty so
    /// far), 8 verification and drills
    #[arg(long, value_name = "PHASE", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=8))]
    pub through: u8,
    /// Go on at every gate, install missing packages and raise host limits without asking.
    #[arg(long, short)]
    pub yes: bool,
    /// Print the plan with its digest and change nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Give up after this many minutes.
    #[arg(long, value_name = "MINUTES", default_value_t = 120)]
    pub timeout: u64,
}

/// Options of `enrol`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::enrol::EXAMPLES)]
pub struct Enrol {
    /// The node.
    #[arg(value_name = "NODE", add = ArgValueCandidates::new(super::complete::nodes))]
    pub node: String,
    /// Revoke what is enrolled under this name first.
    #[arg(long)]
    pub replace: bool,
}

/// Options of `revoke`.
#[derive(Debug, clap::Args)]
pub struct Revoke {
    /// The node.
    #[arg(value_name = "NODE", add = ArgValueCandidates::new(super::complete::nodes))]
    pub node: String,
}

/// Options of `down`.
#[derive(Debug, clap::Args)]
pub struct Down {
    /// Also delete the lab's state: log, certificates, kubeconfigs.
    #[arg(long)]
    pub purge: bool,
}

/// Options of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = STATUS_KEYS)]
pub struct Status {
    /// Only this node, with everything that is known of it.
    #[arg(value_name = "NODE", add = ArgValueCandidates::new(super::complete::nodes))]
    pub node: Option<String>,
    /// More columns: boot, revision, deadlines, every condition; the dashboard of --watch shows them by key.
    #[arg(long)]
    pub wide: bool,
    /// Keep showing: a dashboard on a terminal, plain lines elsewhere.
    #[arg(long, short, conflicts_with = "node")]
    pub watch: bool,
}

const STATUS_KEYS: &str = "Keys of --watch on a terminal:
  tab, arrows, enter, esc   move between lists and rows, open a node, a step or an event, go back
  /                         filter the events by words, or node: cluster: kind: sev: step: msg:
  e                         warnings and errors only, or everything
  s                         show or hide the health samples that agents send every few seconds
  ?                         all keys
  q                         quit; nothing that runs is touched";

/// Options of `events`.
#[derive(Debug, clap::Args)]
#[command(after_help = EVENTS_EXAMPLES)]
pub struct Events {
    /// Go on with what comes.
    #[arg(long, short)]
    pub follow: bool,
    /// Only what comes after this revision.
    #[arg(long, value_name = "REVISION", default_value_t = 0)]
    pub after: u64,
    /// The log of that revision, as bookmarks name it (--json): where there is another one now, that is told.
    #[arg(long, value_name = "ID", value_parser = LogId::parse)]
    pub log_id: Option<LogId>,
    /// Of the past only the newest so many of what the other options let through.
    #[arg(long, short = 'n', value_name = "LINES", value_parser = clap::value_parser!(u64).range(1..))]
    pub tail: Option<u64>,
    /// Only of these clusters.
    #[arg(long, value_name = "NAME", value_delimiter = ',', add = ArgValueCandidates::new(super::complete::clusters))]
    pub cluster: Vec<String>,
    /// Only of these nodes.
    #[arg(long, value_name = "NAME", value_delimiter = ',', add = ArgValueCandidates::new(super::complete::nodes))]
    pub node: Vec<String>,
    /// Only these kinds, or classes: run, phase, step, health, connection, certificate, audit, drill, log.
    #[arg(long, value_name = "KIND", value_delimiter = ',', add = ArgValueCandidates::new(super::complete::kinds))]
    pub kind: Vec<String>,
    /// Only of these runs: their ids, or the first eight or more digits of them.
    #[arg(long, value_name = "ID", value_delimiter = ',', add = ArgValueCandidates::new(super::complete::runs))]
    pub run: Vec<String>,
    /// Only this severity or higher.
    #[arg(long, value_name = "SEVERITY", value_parser = ["debug", "info", "warning", "error"])]
    pub severity: Option<String>,
    /// Only messages with this text in them, in upper or lower case.
    #[arg(long, value_name = "TEXT")]
    pub grep: Option<String>,
    /// Also class, actor, run, step, attempt, number in the agent's stream and lateness; --json has all of it anyway.
    #[arg(long)]
    pub wide: bool,
}

/// Options of `certs`.
#[derive(Debug, clap::Args)]
pub struct Certs {
    /// What if it were then: 2027-03-01, or 2027-03-01T12:00:00Z.
    #[arg(long, value_name = "DATE")]
    pub at: Option<String>,
}

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub struct Explain {
    /// For example DY-0112; without it all codes are listed.
    #[arg(value_name = "CODE", add = ArgValueCandidates::new(super::complete::codes))]
    pub code: Option<String>,
}

const EVENTS_EXAMPLES: &str = "Examples:
  coordinator events --follow --severity warning          what needs a look, as it comes
  coordinator events --tail 20 --follow                   the newest twenty, and what comes
  coordinator events --kind step --node app1-cp --wide    every step of one node
  coordinator events --json --follow --after 4711         resume a script behind revision 4711

With --follow it outlives the coordinator: it waits for the next one, and goes on behind the last line.

A gap in a node's events is shown whatever kind, run, severity or text is asked for: it could hide what was wanted.";

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// Mend what can be mended; a damaged log is renamed, so that a new one can begin.
    #[arg(long)]
    pub fix: bool,
}

/// Options of `bundle`.
#[derive(Debug, clap::Args)]
pub struct Bundle {
    /// What to do.
    #[command(subcommand)]
    pub action: BundleAction,
}

/// Actions on the bundle.
#[derive(Debug, Subcommand)]
pub enum BundleAction {
    /// Make what is missing or changed
    Build {
        /// Where artefacts come from: `auto` pulls where a registry answers, else builds.
        #[arg(long, value_name = "SOURCE", default_value = "auto")]
        source: String,
        /// A profile of `values/bundle/bundle.yaml`, such as `core`; without it what a whole `up` needs.
        #[arg(long, value_name = "PROFILE")]
        profile: Option<String>,
    },
    /// List the artefacts with size and digest
    List,
    /// Compare every artefact with its digest
    Verify,
}

/// Options of `serve`.
#[derive(Debug, clap::Args)]
#[command(after_help = SERVE_EXAMPLES)]
pub struct Serve {
    /// Port of the web view on loopback, 0 for any free one; without it the third behind the lab's first port.
    #[arg(long, value_name = "PORT")]
    pub web_port: Option<u16>,
}

const SERVE_EXAMPLES: &str = "Examples:
  coordinator serve                  the daemon until Ctrl-C; the address of the web view is shown on a terminal
  coordinator serve --web-port 0     the web view on any free port; `coordinator web` prints which
  coordinator --json serve           logs as JSON";
/// Options of `support-bundle`.
#[derive(Debug, clap::Args)]
pub struct SupportBundle {
    /// Where to write it; without it drillyard-LAB-TIME.tar.gz here.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

const SUPPORT_EXAMPLES: &str = "Examples:
  coordinator support-bundle                      with a daemon or, from the log on disk, without one
  coordinator support-bundle -o /tmp/lab.tar.gz
  coordinator replay /tmp/lab.tar.gz              look at it, anywhere

Secrets of the lab are taken out by value; read manifest.json in it before you pass it on.";

/// Options of `replay`.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// The archive that `support-bundle` wrote.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Plain text instead of the dashboard, as without a terminal.
    #[arg(long)]
    pub plain: bool,
    /// List the files of the archive with their sizes instead.
    #[arg(long, conflicts_with_all = ["plain", "print"])]
    pub files: bool,
    /// Print one file of the archive instead, a node's log for example.
    #[arg(long, value_name = "NAME", conflicts_with = "plain")]
    pub print: Option<String>,
}

const REPLAY_EXAMPLES: &str = "Examples:
  coordinator replay lab.tar.gz            the dashboard of status --watch, at the moment of the bundle
  coordinator replay lab.tar.gz --plain    the status, then every event
  coordinator --json replay lab.tar.gz     the status document, then every event, one per line
  coordinator replay lab.tar.gz --files
  coordinator replay lab.tar.gz --print app1-cp.kubelet.log

The keys are those of `coordinator status --watch`; `?` shows them.";

/// Options of `spec`.
#[derive(Debug, clap::Args)]
pub struct Spec {
    /// Check this document instead of printing one.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
    /// Print the JSON Schema for editors.
    #[arg(long, conflicts_with = "check")]
    pub schema: bool,
}
