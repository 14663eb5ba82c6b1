//! Codes of causes: DY-06xx. No command ends with one by itself; they say why a step waits or failed, found by
//! [`crate::diagnosis`].

use super::ErrorEntry;

const fn cause(
    code: &'static str,
    title: &'static str,
    cause: &'static str,
    remedy: &'static str,
    next: &'static str,
) -> ErrorEntry {
    ErrorEntry {
        code,
        title,
        exits: &[5],
        cause,
        remedy,
        next,
    }
}

/// In order of their codes.
pub(super) const ENTRIES: &[ErrorEntry] = &[
    cause(
        "DY-0601",
        "Another process has a port that the step needs",
        "Something on the node listens on a port of etcd, the API server, a controller or kubelet; the evidence names it.",
        "End that process on the node, or move it to another port. What waits goes on by itself.",
        "coordinator status, then coordinator up",
    ),
    cause(
        "DY-0602",
        "An image is missing and cannot be pulled",
        "A pod names an image that is not in the node's store, and no registry gives it: none is reachable, or the name is wrong.",
        "Verify the bundle and its versions. Where images are pulled, look at the node's way to the registry.",
        "coordinator bundle verify, then coordinator up",
    ),
    cause(
        "DY-0603",
        "Kubelet and containerd use different control group drivers",
        "One manages control groups through systemd, the other by itself, so that no container can be started.",
        "Make cgroupDriver in /var/lib/kubelet/config.yaml and SystemdCgroup in /etc/containerd/config.toml say the same, and restart both.",
        "coordinator up",
    ),
    cause(
        "DY-0604",
        "Swap is on and kubelet does not tolerate it",
        "Kubelet ends at its start while swap is on, unless failSwapOn is false.",
        "Turn swap off on the node with swapoff --all, or set failSwapOn: false in kubelet's configuration.",
        "coordinator up",
    ),
    cause(
        "DY-0605",
        "A disk of the node is full",
        "etcd, containerd or kubelet cannot write, or kubelet evicts pods to make room.",
        "Free space on the named folder's disk, or give the node a larger disk in the lab document.",
        "coordinator status",
    ),
    cause(
        "DY-0606",
        "There is not enough memory",
        "The kernel ended a container or process at its limit, or the node has not enough left.",
        "Give the node more memory in the lab document, or the container a higher limit.",
        "coordinator status",
    ),
    cause(
        "DY-0607",
        "An admission webhook does not answer",
        "The API server asks a webhook before it accepts an object, and the webhook's pods are not there or not ready.",
        "Look at the pods behind the webhook that the evidence names. If its component is gone, delete its webhook configuration.",
        "coordinator status --wide",
    ),
    cause(
        "DY-0608",
        "The API server does not answer",
        "It does not run yet, keeps ending, or waits for etcd. Nothing nearer to the cause was found.",
        "Look at the containers of kube-apiserver and etcd on the control plane, and at kubelet's journal.",
        "coordinator events --node NODE",
    ),
    cause(
        "DY-0609",
        "A certificate is not valid now",
        "It has expired, or is not valid yet because a clock is wrong.",
        "Compare the clocks of node and host first; then renew the named certificate.",
        "coordinator certs",
    ),
    cause(
        "DY-0610",
        "A certificate is not trusted",
        "It was signed by another authority than the one that is expected, mostly one of an earlier cluster.",
        "Look for files of an earlier cluster below /etc/kubernetes on the named node.",
        "coordinator certs",
    ),
    cause(
        "DY-0611",
        "Names cannot be resolved",
        "The node's name server does not answer, or does not know the name.",
        "Look at /etc/resolv.conf of the node and at its way to the name server.",
        "coordinator status",
    ),
    cause(
        "DY-0612",
        "containerd does not run",
        "Without the container runtime kubelet starts no pod.",
        "Look at the journal of containerd.service on the node; a full disk or a broken /etc/containerd/config.toml are usual.",
        "coordinator status",
    ),
    cause(
        "DY-0613",
        "Kubelet does not run",
        "It ended, or keeps ending at its start; its last words are in the evidence.",
        "Put right what its last words name; systemd starts it again.",
        "coordinator events --node NODE",
    ),
    cause(
        "DY-0614",
        "A container keeps ending",
        "Kubelet starts it again and again; its last lines are in the evidence.",
        "Put right what its last lines name.",
        "coordinator events --node NODE",
    ),
    cause(
        "DY-0615",
        "There is no network for pods",
        "The network plugin is not installed yet, or does not work on this node.",
        "Before the network component is installed this is as it should be. Afterwards look at its pods.",
        "coordinator status",
    ),
    cause(
        "DY-0616",
        "There is no place for a pod",
        "No node has the memory or CPU that the pod asks for, tolerates it, or has its volume.",
        "Give the nodes more in the lab document, or look at what its volume claim waits for.",
        "coordinator status",
    ),
    cause(
        "DY-0617",
        "etcd does not keep up",
        "It does not answer in time, mostly because its disk is slow or the node lacks CPU.",
        "Look at the node's disk and CPU pressure.",
        "coordinator status",
    ),
    cause(
        "DY-0618",
        "A limit of the kernel is reached",
        "The host's limits of inotify instances, watches or open files are used up by all nodes together.",
        "Raise fs.inotify.max_user_instances and fs.inotify.max_user_watches on the host.",
        "coordinator doctor --fix",
    ),
    cause(
        "DY-0619",
        "A credential is not accepted",
        "The join token has expired, or the certificate belongs to an earlier cluster.",
        "Start again, which makes a new token.",
        "coordinator up",
    ),
    cause(
        "DY-0620",
        "Something that a pod refers to is missing",
        "A Secret, ConfigMap or key that the pod names does not exist.",
        "Look at what should make it: mostly another component that is not ready.",
        "coordinator status",
    ),
];
