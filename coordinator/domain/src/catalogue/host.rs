//! Codes of steps that the coordinator itself performs: DY-02xx. They appear in events and in the verdict of a run.

use super::ErrorEntry;

/// In order of their codes.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    ErrorEntry {
        code: "DY-0210",
        title: "The nodes could not be made",
        exits: &[5],
        cause: "Terraform or the launcher failed; its own code and message are the cause.",
        remedy: "Put the cause right. Nodes that exist are adopted by the next run.",
        next: "coordinator up",
    },
    ErrorEntry {
        code: "DY-0211",
        title: "The inputs of a component cannot be made",
        exits: &[5],
        cause: "A component folder below values/components/ is missing or malformed, or a template names something that the lab does not have.",
        remedy: "Correct the named file.",
        next: "coordinator up --dry-run",
    },
    ErrorEntry {
        code: "DY-0212",
        title: "The plan names what the lab does not have",
        exits: &[5],
        cause: "The lab document or the component folders changed after the plan of this run was made.",
        remedy: "Start a new run, which plans anew.",
        next: "coordinator up",
    },
    ErrorEntry {
        code: "DY-0214",
        title: "Helm failed",
        exits: &[5],
        cause: "Rendering or applying the component's chart failed; the message has Helm's last lines.",
        remedy: "Read the message. A cluster that is not ready yet, or a value that the chart does not know, are the usual causes.",
        next: "coordinator up",
    },
    ErrorEntry {
        code: "DY-0215",
        title: "The cluster has no usable kubeconfig",
        exits: &[5],
        cause: "The kubeconfig that the control plane minted is missing or unreadable.",
        remedy: "Start a new run, which mints it anew.",
        next: "coordinator up",
    },
    ErrorEntry {
        code: "DY-0216",
        title: "The component did not get ready in time",
        exits: &[5],
        cause: "Its readiness checks did not hold before the step's deadline; the last blocker, with the likeliest cause that was found, is in the message.",
        remedy: "Put the blocker right; the step is tried again by a new run.",
        next: "coordinator status, then coordinator up",
    },
    ErrorEntry {
        code: "DY-0217",
        title: "A component's manifests were refused",
        exits: &[5],
        cause: "The API server did not take one of the component's objects; the message names it and has the server's words.",
        remedy: "Read the message. A kind that is not served yet, or a field that it does not know, are the usual causes.",
        next: "coordinator up",
    },
];
