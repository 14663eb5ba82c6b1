//! Words about drills, their reports and single faults.

use super::super::complete;
use clap::Subcommand;
use clap_complete::engine::ArgValueCandidates;

/// Options of `report`.
#[derive(Debug, clap::Args)]
#[command(after_help = REPORT_EXAMPLES)]
pub struct Report {
    /// Which run: the first eight or more digits of the id of a run of `up`, or the first of a drill's; without it the latest `up`, or
    /// with --format or --last the latest drill.
    #[arg(value_name = "RUN", add = ArgValueCandidates::new(complete::all_runs))]
    pub run: Option<String>,
    /// The report of a drill, in this form; without it Markdown, or with --json one object.
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
  coordinator report 4f1c                         what a drill found; no coordinator need serve
  coordinator report --format html > drill.html   the latest drill, for a browser
  coordinator report 4f1c --format junit          one drill run, for CI
  coordinator report --last 5 --format junit      the last five runs of the latest drill, and the spread of their figures
  coordinator report --matrix --format html       what every drill did to every contract, by its latest run
  coordinator report --compare 4f1c 9b20          two runs of one drill, the old one first

Exit codes of --compare: 0 nothing is worse, 7 a figure is worse beyond both runs' bounds (a recovery time: by more than 10 % \
and 1 s) or gone, or a verdict is worse, 8 the runs were not made \
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
    #[arg(value_name = "NAME", required = true, add = ArgValueCandidates::new(complete::drills))]
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
        #[arg(add = ArgValueCandidates::new(complete::drills))]
        name: String,
    },
    /// Judge a run's recorded history again with the checks of this release
    #[command(after_help = RECHECK_EXAMPLES)]
    Recheck {
        /// First digits of the run's id, as `drill NAME` prints it when it begins; without it the latest.
        #[arg(add = ArgValueCandidates::new(complete::drill_runs))]
        run: Option<String>,
        /// Put the new report in the place of the one on disk, for all forms of `report`; one that cannot be read is always replaced.
        #[arg(long)]
        write: bool,
    },
    /// List every outstanding fault on every node and on the host, and undo them on request
    #[command(after_help = super::super::drill_doctor::EXAMPLES)]
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
    #[arg(required_unless_present = "schema", add = ArgValueCandidates::new(complete::drills))]
    pub name: Option<String>,
    /// Print the JSON Schema of drill files instead.
    #[arg(long)]
    pub schema: bool,
}

/// Options of `fault`.
#[derive(Debug, clap::Args)]
#[command(after_help = super::super::fault::EXAMPLES)]
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
