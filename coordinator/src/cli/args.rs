//! The words of the command line.

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

/// Options of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct Report {
    /// Which run: the first eight or more digits of the id of a run of `up`, or the first of a drill's; without it the latest.
    #[arg(value_name = "RUN", add = ArgValueCandidates::new(super::complete::all_runs))]
    pub run: Option<String>,
    /// The report of a drill, in this form.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<ReportFormat>,
    /// Compare two drill runs, old and new: figures by their intervals, verdicts by what they are worth.
    #[arg(long, num_args = 2, value_names = ["OLD", "NEW"], conflicts_with_all = ["run", "format"])]
    pub compare: Option<Vec<String>>,
    /// What each drill did to each contract: the latest run of every drill; Markdown unless --format or --json says otherwise.
    #[arg(long, conflicts_with_all = ["run", "compare"])]
    pub matrix: bool,
    /// How far the figures spread over the last N runs of a drill: of RUN's, up to RUN; without it of the latest run's.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000), conflicts_with_all = ["compare", "matrix"])]
    pub last: Option<u32>,
}

// A paragraph is one line: it is wrapped to the terminal.
const REPORT_EXAMPLES: &str = "Examples:
  coordinator report                              where the time of the latest `up` went
  coordinator report --format html > drill.html   the latest drill, for a browser
  coordinator report 4f1c --format junit          one drill run, for CI
  coordinator report --last 5 --format junit      the last five runs of the latest drill, and the spread of their figures
  coordinator report --matrix --format html       what every drill did to every contract, by its latest run
  coordinator report --compare 4f1c 9b20          two runs of one drill, the old one first

Exit codes of --compare: 0 nothing is worse, 7 a figure is worse beyond both runs' bounds or gone, or a verdict is worse, 8 the runs were not made \
alike (plan, scale, host, versions), so nothing is decided.";

/// Forms of a drill's report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ReportFormat {
    /// One object.
    Json,
    /// Markdown.
    Md,
    /// A page that needs nothing else.
    Html,
    /// JUnit XML.
    Junit,
}

/// Options of `certs`.
#[derive(Debug, clap::Args)]
pub struct Certs {
    /// What if it were then: 2027-03-01, or 2027-03-01T12:00:00Z.
    #[arg(long, value_name = "DATE")]
    pub at: Option<String>,
}

/// Options of `drill`.
#[derive(Debug, clap::Args)]
#[command(
    args_conflicts_with_subcommands = true,
    subcommand_negates_reqs = true,
    arg_required_else_help = true,
    after_help = DRILL_EXAMPLES
)]
pub struct Drill {
    /// What to do instead of running one.
    #[command(subcommand)]
    pub action: Option<DrillAction>,
    /// The drill to run; `drill list` names them all.
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(super::complete::drills))]
    pub name: Option<String>,
    /// Run it N times, one after another, and show how far the figures spread; with --json in a last line, {"spread": ...}.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub repeat: u32,
    /// With --repeat: begin no further run that would end later than so many minutes after the first began.
    #[arg(long, value_name = "MINUTES")]
    pub budget: Option<u64>,
    /// Kill the coordinator that drives the run at a random moment of it, start another, and look at every place for what is left.
    /// SEED draws the moment and repeats it; without it one is drawn and printed. With --repeat each run has the seed after the one before.
    #[arg(long, value_name = "SEED", num_args = 0..=1, conflicts_with = "budget")]
    pub kill_driller: Option<Option<u64>>,
}

// A paragraph is one line: it is wrapped to the terminal.
const DRILL_EXAMPLES: &str = "\
A drill watches an intact lab, breaks something under a lease, watches, undoes it, watches the recovery, and judges contracts from \
what it recorded. It needs a lab that is up (`coordinator up --yes --through 8` for all contracts); what is missing of it is told as \
not covered. `list`, `show` and `plan` need none.

Examples:
  coordinator drill list                       all drills with the contracts that they judge
  coordinator drill plan mgmt-down             what it would hit, watch and prove; nothing is touched
  coordinator drill mgmt-down                  run it; Ctrl-C reverts
  coordinator drill worker-loss --repeat 5     five runs and their spread
  coordinator drill vault-down --kill-driller 7
                                               kill the coordinator in its middle; is anything left broken?
  coordinator drill recheck                    judge the latest run's history again
  coordinator drill recheck 4f1c --write       the same, and put the new report in the place of the old one

Exit codes: 0 pass, 2 no such drill or its file is wrong, 3 no lab is up, 6 another drill or an `up` is running, 7 a contract was violated, 8 inconclusive or nothing of \
it covered, 130 ended by Ctrl-C. Of a drill that is meant to show a violation (expectViolation): 0 exactly that contract was violated, 7 it was not, or something \
else was.

How figures are measured: docs/drills/README.md. How to write a drill: values/drills/README.md.";

const RECHECK_EXAMPLES: &str = "Examples:
  coordinator drill recheck                    judge the latest run again; a report that can be read stays as it is
  coordinator drill recheck 4f1c --write       the same of one run, and put the new report in the place of the old one

Exit codes are those of the drill.";

/// Actions beside running.
#[derive(Debug, Subcommand)]
pub enum DrillAction {
    /// All drills with the contracts that they judge
    List,
    /// Print a drill, or the schema of drill files
    Show(DrillShow),
    /// What a drill would hit, watch and prove on this lab; nothing is touched
    Plan {
        /// The drill; `drill list` names them all.
        #[arg(add = ArgValueCandidates::new(super::complete::drills))]
        name: String,
    },
    /// Judge a run's recorded history again with the checks of this release
    #[command(after_help = RECHECK_EXAMPLES)]
    Recheck {
        /// First digits of the run's id, as `drill NAME` prints it when it begins; without it the latest.
        #[arg(add = ArgValueCandidates::new(super::complete::drill_runs))]
        run: Option<String>,
        /// Put the new report in the place of the one on disk, for all forms of `report`; one that cannot be read is always replaced.
        #[arg(long)]
        write: bool,
    },
    /// List every outstanding fault on every node and on the host, and undo them on request
    #[command(after_help = super::drill_doctor::EXAMPLES)]
    Doctor {
        /// Undo everything that is found, also what belongs to no lease.
        #[arg(long)]
        fix: bool,
    },
}

/// Options of `drill show`.
#[derive(Debug, clap::Args)]
pub struct DrillShow {
    /// The drill; `drill list` names them all.
    #[arg(required_unless_present = "schema", add = ArgValueCandidates::new(super::complete::drills))]
    pub name: Option<String>,
    /// Print the JSON Schema of drill files instead.
    #[arg(long)]
    pub schema: bool,
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

/// Options of `fault`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::fault::EXAMPLES)]
pub struct Fault {
    /// What to do.
    #[command(subcommand)]
    pub action: FaultAction,
}

/// What can be done with one fault.
#[derive(Debug, Subcommand)]
pub enum FaultAction {
    /// Break something; it mends itself when the time is over
    Inject {
        /// What, as JSON; see the examples.
        #[arg(value_name = "JSON")]
        fault: String,
        /// Milliseconds until it is undone.
        #[arg(long = "for", value_name = "MS", default_value_t = 30_000)]
        ttl_ms: u64,
        /// Milliseconds of a silent coordinator until it is undone earlier.
        #[arg(long, value_name = "MS", default_value_t = 10_000)]
        grace_ms: u64,
    },
    /// Undo it now
    Release {
        /// The lease that `inject` printed.
        lease: String,
    },
    /// What this lab can break, and why it cannot break the rest
    Kinds,
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
