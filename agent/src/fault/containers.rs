//! Containers by the labels that kubelet gives them, through containerd's own tool.

use super::took::Took;
use crate::command;
use crate::step::StepError;
use model::fault_parts::{StaticPod, Workload};
use std::path::Path;

const CTR: &str = "/usr/bin/ctr";
const NAMESPACE: &str = "io.kubernetes.pod.namespace";
const CONTAINER: &str = "io.kubernetes.container.name";
const POD_UID: &str = "io.kubernetes.pod.uid";
const KIND: &str = "io.cri-containerd.kind";

/// Whether a container's process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Task {
    Running,
    Paused,
    Ended,
}

/// Containers of a static pod, dead ones included.
pub(super) fn of_static_pod(pod: StaticPod) -> Result<Vec<String>, StepError> {
    list(&[(NAMESPACE, "kube-system"), (CONTAINER, pod.name())])
}

/// Containers of the pods with the workload's label. Kubelet labels only a pod's sandbox with the pod's own labels; the
/// containers are found by the pod's uid.
pub(super) fn of_workload(workload: &Workload) -> Result<Vec<String>, StepError> {
    let sandboxes = list(&[
        (KIND, "sandbox"),
        (NAMESPACE, workload.namespace()),
        (workload.key(), workload.value()),
    ])?;
    let mut found = Vec::new();
    for sandbox in sandboxes {
        let Some(uid) = label(&sandbox, POD_UID)? else {
            continue;
        };
        found.extend(list(&[(KIND, "container"), (POD_UID, &uid)])?);
    }
    Ok(found)
}

/// Kills them, without a look first; those that ended meanwhile are fine. It takes hold with the first one's end.
pub(super) fn kill(alive: &[String], took: &mut Took) -> Result<(), StepError> {
    let words = ["kill", "--signal", "SIGKILL"];
    each(alive, |task| task != Task::Ended, &words, || took.hold())
}

/// Kills what runs of them.
pub(super) fn kill_running(containers: &[String]) -> Result<(), StepError> {
    kill(&alive(containers)?, &mut Took::begin())
}

/// Freezes them, without a look first. It takes hold with the first one.
pub(super) fn pause(alive: &[String], took: &mut Took) -> Result<(), StepError> {
    each(alive, |task| task == Task::Running, &["pause"], || took.hold())
}

/// Freezes what runs of them.
pub(super) fn pause_running(containers: &[String]) -> Result<(), StepError> {
    let running = those(containers, |task| task == Task::Running)?;
    pause(&running, &mut Took::begin())
}

/// Lets what stands still of them go on.
pub(super) fn resume(containers: &[String]) -> Result<(), StepError> {
    let paused = those(containers, |task| task == Task::Paused)?;
    each(&paused, |task| task == Task::Paused, &["resume"], || {})
}

/// Those of them whose process is left, in their order.
pub(super) fn alive(containers: &[String]) -> Result<Vec<String>, StepError> {
    those(containers, |task| task != Task::Ended)
}

fn those(containers: &[String], wanted: impl Fn(Task) -> bool) -> Result<Vec<String>, StepError> {
    let mut tasks = tasks(containers)?;
    tasks.retain(|(_, task)| wanted(*task));
    let is_one = |id: &&String| tasks.iter().any(|(wanted, _)| wanted == *id);
    Ok(containers.iter().filter(is_one).cloned().collect())
}

/// Every container that stands still.
pub(super) fn paused() -> Result<Vec<String>, StepError> {
    let listed = parse_tasks(&ctr(&["tasks", "list"])?);
    let paused = listed.into_iter().filter(|(_, task)| *task == Task::Paused);
    Ok(paused.map(|(id, _)| id).collect())
}

/// What the container is called in its pod, where that can be found out.
pub(super) fn name(container: &str) -> Option<String> {
    label(container, CONTAINER).ok().flatten()
}

/// The tasks of these containers.
pub(super) fn tasks(containers: &[String]) -> Result<Vec<(String, Task)>, StepError> {
    let listed = ctr(&["tasks", "list"])?;
    Ok(parse_tasks(&listed)
        .into_iter()
        .filter(|(id, _)| containers.contains(id))
        .collect())
}

/// Does it to each, and says so of each to which it was done.
fn each(
    containers: &[String],
    wanted: impl Fn(Task) -> bool,
    words: &[&str],
    mut done: impl FnMut(),
) -> Result<(), StepError> {
    for id in containers {
        let all: Vec<&str> = ["tasks"]
            .iter()
            .chain(words)
            .copied()
            .chain([id.as_str()])
            .collect();
        match ctr(&all) {
            Ok(_) => done(),
            // It may have ended since it was looked at; only one that is still as it was is a failure.
            Err(error) => {
                let still = tasks(std::slice::from_ref(id))?;
                if still.iter().any(|(_, task)| wanted(*task)) {
                    return Err(error);
                }
            }
        }
    }
    Ok(())
}

fn parse_tasks(text: &str) -> Vec<(String, Task)> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let (id, _pid, status) = (words.next()?, words.next()?, words.next()?);
        let task = match status {
            "RUNNING" | "CREATED" => Task::Running,
            "PAUSED" | "PAUSING" => Task::Paused,
            _ => Task::Ended,
        };
        Some((id.to_owned(), task))
    };
    text.lines().skip(1).filter_map(line).collect()
}

fn list(labels: &[(&str, &str)]) -> Result<Vec<String>, StepError> {
    let clauses: Vec<String> = labels
        .iter()
        .map(|(key, value)| format!("labels.\"{key}\"==\"{value}\""))
        .collect();
    let text = ctr(&["containers", "list", "--quiet", &clauses.join(",")])?;
    Ok(text
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect())
}

fn label(container: &str, key: &str) -> Result<Option<String>, StepError> {
    let text = ctr(&["containers", "info", container])?;
    let info: serde_json::Value = serde_json::from_str(&text).map_err(|e| StepError::Missing {
        what: format!("a readable description of container {container} ({e})"),
    })?;
    Ok(info["Labels"][key].as_str().map(str::to_owned))
}

fn ctr(words: &[&str]) -> Result<String, StepError> {
    let args = ["--namespace", "k8s.io"].iter().chain(words);
    Ok(command::run(Path::new(CTR), args)?.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_tasks_is_read() {
        let text = "TASK    PID     STATUS\nabc    12    RUNNING\ndef    13    PAUSED\nghi    0    STOPPED\n";
        let expected = [
            ("abc".to_owned(), Task::Running),
            ("def".to_owned(), Task::Paused),
            ("ghi".to_owned(), Task::Ended),
        ];
        assert_eq!(parse_tasks(text), expected);
    }
}
