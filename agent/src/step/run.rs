//! One attempt from its file to its result.

use super::{Context, StepError, StepFile, StepResult, images, init, join, kubeadm, prepare, probe};
use crate::failpoint::{Arrow, reach};
use crate::fault;
use crate::paths::Paths;
use crate::{clock, durable, redact};
use model::step::{NodeStep, ProbeResult, StepOutcome};
use nix::sys::resource::{Usage, UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::io;
use std::path::Path;
use std::time::Instant;

/// Performs the step in `file` and leaves its result. The error is that of the files, never of the step.
pub fn run_file(paths: &Paths, file: &Path) -> io::Result<StepResult> {
    let input = StepFile::read(file)?;
    // Read once and gone: the secret stays no longer than it must.
    durable::remove(file)?;
    let order = &input.order;
    let context = Context {
        paths: paths.clone(),
        node: input.node.clone(),
        progress: Some(Paths::attempt(
            &paths.progress(),
            order.step,
            order.attempt,
            "txt",
        )),
    };
    let began = Instant::now();
    let outcome = match perform(&context, &input) {
        Ok(()) => StepOutcome::Succeeded {
            run_ms: millis(began),
            cpu_ms: cpu_ms(),
        },
        Err(error) => failed(&error),
    };
    let boot = clock::boot_id(&paths.boot())?;
    let result = StepResult {
        step: order.step,
        attempt: order.attempt,
        boot,
        outcome,
    };
    reach(Arrow::Performed);
    result.write(paths)?;
    reach(Arrow::Resulted);
    if let Some(progress) = &context.progress {
        durable::remove(progress)?;
    }
    Ok(result)
}

fn perform(context: &Context, input: &StepFile) -> Result<(), StepError> {
    let step = &input.order.body;
    if probe::is_cheap(step) && matches!(probe::probe(context, step), ProbeResult::Done) {
        context.say("already done");
        return Ok(());
    }
    match step {
        NodeStep::PrepareNode { address, .. } => prepare::prepare(context, *address),
        NodeStep::ImportImages { role } => images::import(context, *role),
        NodeStep::KubeadmInit {
            phase,
            params,
            address,
        } => init::run(context, *phase, params, *address, input.secret.as_deref()),
        NodeStep::KubeadmJoin {
            phase,
            params,
            address,
        } => join::run(context, *phase, params, *address, input.secret.as_deref()),
        NodeStep::InjectFault { lease, terms, fault } => fault::lease::inject(context, *lease, *terms, fault),
        NodeStep::RenewFault { lease, number } => fault::lease::renew(context, *lease, *number),
        NodeStep::ReleaseFault { lease } => {
            fault::undo(&context.paths, *lease, model::lease::UndoCause::Released)
        }
        NodeStep::HealFaults { .. } => fault::heal(context),
        NodeStep::MintKubeconfig { params } => {
            let kubeconfig = kubeadm::mint(context, params)?;
            let path = Paths::attempt(
                &context.paths.yielded(),
                input.order.step,
                input.order.attempt,
                "secret",
            );
            durable::remove(&path).map_err(StepError::io("remove", &path))?;
            durable::create_private(&path, kubeconfig.as_bytes()).map_err(StepError::io("write", &path))
        }
    }
}

fn failed(error: &StepError) -> StepOutcome {
    let output = match error {
        StepError::Command(command) => redact::tail(command.output()),
        _ => String::new(),
    };
    let message: String = redact::clean(&error.chain()).trim().chars().take(500).collect();
    StepOutcome::Failed {
        code: error.code().to_owned(),
        message,
        output,
    }
}

fn millis(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// CPU milliseconds of this process and of the children it waited for.
fn cpu_ms() -> u64 {
    let sum = |usage: Usage| usage.user_time().num_milliseconds() + usage.system_time().num_milliseconds();
    [UsageWho::RUSAGE_SELF, UsageWho::RUSAGE_CHILDREN]
        .into_iter()
        .filter_map(|who| getrusage(who).ok())
        .map(|usage| u64::try_from(sum(usage)).unwrap_or(0))
        .sum()
}
