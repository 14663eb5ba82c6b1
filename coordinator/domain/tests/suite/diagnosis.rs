//! Each case is written in the words that the programs of a node use when it is broken in that way, with the cause that must be
//! first. They were not captured: the ignored scenario `stuck_steps` asks real nodes.

use domain::catalogue;
use domain::diagnosis::{of_output, rank, with_likeliest};
use model::evidence::Evidence;
use model::evidence::EvidenceSource::{self, *};

type Piece = (EvidenceSource, &'static str, &'static str);

/// Name, what was seen, the code that must be first.
const CASES: &[(&str, &[Piece], &str)] = &[
    (
        "etcd's port is held by somebody else",
        &[
            (
                ApiServer,
                "192.168.77.10:6443",
                "Connection refused (os error 111)",
            ),
            (Port, "2379", "held by socat (pid 812), where etcd should listen"),
            (
                Container,
                "etcd",
                r#"{"level":"fatal","ts":"2026-11-25T08:14:32Z","caller":"etcdmain/etcd.go:204","msg":"discovery failed","error":"listen tcp 127.0.0.1:2379: bind: address already in use"}"#,
            ),
            (
                Container,
                "kube-apiserver",
                r#"W1125 08:14:30.1 1 logging.go:55] [core] grpc: addrConn.createTransport failed to connect to {Addr: "127.0.0.1:2379"}. Err: connection error: desc = "transport: Error while dialing: dial tcp 127.0.0.1:2379: connect: connection refused""#,
            ),
        ],
        "DY-0601",
    ),
    (
        "kubeadm's own preflight names the port",
        &[(Output, "the step", "[ERROR Port-6443]: Port 6443 is in use")],
        "DY-0601",
    ),
    (
        "an image is not in the store and nothing can pull it",
        &[
            (
                ApiServer,
                "192.168.77.10:6443",
                "Connection refused (os error 111)",
            ),
            (
                Image,
                "etcd.yaml",
                "registry.k8s.io/etcd:3.6.14-0 is not in the node's store",
            ),
            (
                Journal,
                "kubelet",
                r#"E1125 08:20:11.4 812 pod_workers.go:1324] "Error syncing pod, skipping" err="failed to \"StartContainer\" for \"etcd\" with ImagePullBackOff: \"Back-off pulling image \\\"registry.k8s.io/etcd:3.6.14-0\\\"\"""#,
            ),
        ],
        "DY-0602",
    ),
    (
        "an image is known by a name that is not in the store",
        &[
            (
                ApiServer,
                "192.168.77.10:6443",
                "Connection refused (os error 111)",
            ),
            // Seen by `stuck_steps` on a real node.
            (
                Journal,
                "kubelet or containerd",
                r#"E1125 13:48:37.976079 286 log.go:32] "CreateContainer in sandbox from runtime service failed" err="rpc error: code = NotFound desc = failed to get image from containerd \"sha256:bfd1676f151bfe7f76fdfdb9aebc522ee76b5714f747d33d9dcf3e26c5ade2e5\": image \"docker.io/drillyard/kept:1\": not found""#,
            ),
        ],
        "DY-0602",
    ),
    (
        "a registry cannot be reached, told by the cluster",
        &[(
            Pod,
            "cilium-x7f2p",
            "cilium-agent waits: ErrImagePull: failed to pull and unpack image \"quay.io/cilium/cilium:v1.20.2\": failed to resolve reference: dial tcp: lookup quay.io on 192.168.77.1:53: read: connection refused",
        )],
        "DY-0602",
    ),
    (
        "control group drivers differ",
        &[
            (
                ApiServer,
                "192.168.77.10:6443",
                "Connection refused (os error 111)",
            ),
            (
                Cgroup,
                "kubelet",
                "kubelet uses systemd, containerd uses cgroupfs",
            ),
            (
                Journal,
                "kubelet",
                r#"err="failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: expected cgroupsPath to be of format \"slice:prefix:name\" for systemd cgroups, got \"/kubepods/burstable/pod1\" instead""#,
            ),
            (
                Unit,
                "kubelet.service",
                "kubelet.service is activating (auto-restart), restarted 4 times",
            ),
        ],
        "DY-0603",
    ),
    (
        "swap",
        &[
            (
                Journal,
                "kubelet",
                r#"E1125 08:31:02.0 930 run.go:72] "command failed" err="failed to run Kubelet: running with swap on is not supported, please disable swap or set --fail-swap-on flag to false""#,
            ),
            (
                Unit,
                "kubelet.service",
                "kubelet.service is activating (auto-restart), restarted 12 times",
            ),
        ],
        "DY-0604",
    ),
    (
        "etcd's disk is full",
        &[
            (Disk, "/var/lib/etcd", "0 of 24576 MiB are left"),
            (
                Container,
                "etcd",
                r#"{"level":"fatal","msg":"failed to create WAL","error":"write /var/lib/etcd/member/wal/0.tmp: no space left on device"}"#,
            ),
            (
                Container,
                "kube-apiserver",
                "F1125 instance.go:233] Error creating leases: error creating storage factory: context deadline exceeded",
            ),
            (
                ApiServer,
                "192.168.77.10:6443",
                "Connection refused (os error 111)",
            ),
        ],
        "DY-0605",
    ),
    (
        "a container's memory limit",
        &[
            (Pod, "kyverno-1", "controller ended: OOMKilled (exit status 137)"),
            (
                Pod,
                "kyverno-1",
                "controller waits: CrashLoopBackOff: back-off 10s restarting failed container",
            ),
        ],
        "DY-0606",
    ),
    (
        "a webhook whose pods are gone",
        &[(
            ClusterEvent,
            "ReplicaSet/app",
            r#"Error creating: Internal error occurred: failed calling webhook "validate.kyverno.svc-fail": failed to call webhook: Post "https://kyverno-svc.kyverno.svc:443/validate/fail?timeout=10s": no endpoints available for service "kyverno-svc""#,
        )],
        "DY-0607",
    ),
    (
        "nothing is known but that the API server is silent",
        &[(ApiServer, "192.168.77.10:6443", "timed out")],
        "DY-0608",
    ),
    (
        "a certificate of tomorrow",
        &[
            (
                Certificate,
                "apiserver.crt",
                "valid only from 2026-11-26T00:00:00Z on",
            ),
            (
                Journal,
                "kubelet",
                r#"E1125 reflector.go:200] "Failed to watch" err="failed to list *v1.Node: Get \"https://192.168.77.10:6443/api/v1/nodes\": tls: failed to verify certificate: x509: certificate has expired or is not yet valid""#,
            ),
        ],
        "DY-0609",
    ),
    (
        "an authority of an earlier cluster",
        &[(
            Journal,
            "kubelet",
            r#"E1125 "Unable to register node with API server" err="Post \"https://192.168.77.10:6443/api/v1/nodes\": tls: failed to verify certificate: x509: certificate signed by unknown authority""#,
        )],
        "DY-0610",
    ),
    (
        "a name server that does not answer",
        &[(
            Container,
            "vault",
            "dial tcp: lookup s3.mgmt on 10.96.0.10:53: read udp 10.100.0.9:41171->10.96.0.10:53: i/o timeout",
        )],
        "DY-0611",
    ),
    (
        "containerd is down",
        &[
            (
                Unit,
                "containerd.service",
                "containerd.service is failed (exit-code, status 1)",
            ),
            (
                Journal,
                "kubelet",
                r#"E1125 "Container runtime sanity check failed" err="rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing: dial unix /run/containerd/containerd.sock: connect: connection refused\"""#,
            ),
            (
                Unit,
                "kubelet.service",
                "kubelet.service is activating (auto-restart), restarted 2 times",
            ),
        ],
        "DY-0612",
    ),
    (
        "kubelet's configuration is broken",
        &[
            (
                Unit,
                "kubelet.service",
                "kubelet.service is activating (auto-restart), restarted 9 times",
            ),
            (
                Journal,
                "kubelet",
                r#"E1125 run.go:72] "command failed" err="failed to load kubelet config file, path: /var/lib/kubelet/config.yaml, error: failed to decode""#,
            ),
        ],
        "DY-0613",
    ),
    (
        "a container that ends",
        &[(
            Pod,
            "vault-0",
            "vault waits: CrashLoopBackOff: back-off 20s restarting failed container=vault",
        )],
        "DY-0614",
    ),
    (
        "the network plugin is missing a program",
        &[(
            ClusterEvent,
            "Pod/coredns",
            r#"Failed to create pod sandbox: plugin type="cilium-cni" failed (add): failed to find plugin "cilium-cni" in path [/opt/cni/bin]"#,
        )],
        "DY-0615",
    ),
    (
        "no node has the memory",
        &[(
            ClusterEvent,
            "Pod/loki-0",
            "0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint {node-role.kubernetes.io/control-plane: }.",
        )],
        "DY-0616",
    ),
    (
        "a slow disk under etcd",
        &[(
            Container,
            "kube-apiserver",
            "E1125 status.go:71] apiserver received an error that is not an metav1.Status: etcdserver: request timed out",
        )],
        "DY-0617",
    ),
    (
        "the host's inotify instances are used up",
        &[(
            Container,
            "cilium-agent",
            "failed to create fsnotify watcher: too many open files",
        )],
        "DY-0618",
    ),
    (
        "a join token that has expired",
        &[(
            Journal,
            "kubelet",
            r#"E1125 certificate_manager.go:471] "Reached backoff limit, still unable to rotate certs" err="Unauthorized""#,
        )],
        "DY-0619",
    ),
    (
        "a Secret that nothing made",
        &[(
            Pod,
            "thanos-0",
            "store waits: CreateContainerConfigError: secret \"objstore\" not found",
        )],
        "DY-0620",
    ),
];

fn pieces(raw: &[Piece]) -> Vec<Evidence> {
    raw.iter()
        .map(|(source, subject, text)| Evidence::new(*source, *subject, text))
        .collect()
}

#[test]
fn each_breakage_is_called_by_its_name() {
    for (name, raw, code) in CASES {
        let causes = rank(&pieces(raw));
        let first = causes.first().unwrap_or_else(|| panic!("{name}: no cause"));
        assert_eq!(first.code, *code, "{name}: {causes:#?}");
        assert!(!first.evidence.is_empty() && !first.remedy.is_empty());
    }
}

#[test]
fn every_cause_of_the_catalogue_has_a_case() {
    let causes = catalogue::all().filter(|entry| entry.code.starts_with("DY-06"));
    for entry in causes {
        let case = CASES.iter().any(|(_, _, code)| *code == entry.code);
        assert!(case, "{} has no case", entry.code);
    }
}

#[test]
fn the_order_in_which_things_were_seen_does_not_matter() {
    for (name, raw, _) in CASES {
        let mut turned = pieces(raw);
        let straight: Vec<String> = rank(&turned).into_iter().map(|c| c.code).collect();
        turned.reverse();
        let reverse: Vec<String> = rank(&turned).into_iter().map(|c| c.code).collect();
        assert_eq!(straight, reverse, "{name}");
    }
}

#[test]
fn more_of_the_same_cause_counts_and_the_same_line_twice_does_not() {
    let line = (Journal, "kubelet", "running with swap on is not supported");
    let once = rank(&pieces(&[line]));
    assert_eq!(rank(&pieces(&[line, line])), once);
    let further = rank(&pieces(&[
        line,
        (Output, "the step", "[ERROR Swap]: running with swap on"),
    ]));
    assert!(further[0].confidence > once[0].confidence);
}

#[test]
fn what_is_not_known_is_not_guessed() {
    let calm = [
        (
            Journal,
            "kubelet",
            "I1125 08:00:00.0 1 server.go:1] \"Started kubelet\"",
        ),
        (
            Container,
            "etcd",
            "{\"level\":\"info\",\"msg\":\"ready to serve client requests\"}",
        ),
    ];
    assert_eq!(rank(&pieces(&calm)), vec![]);
    assert_eq!(rank(&[]), vec![]);
}

#[test]
fn a_programs_last_words_are_evidence() {
    let causes = of_output(
        "kubeadm: exit status: 1: [ERROR Port-2379]: Port 2379 is in use",
        "[preflight] Some fatal errors occurred:\n\t[ERROR Port-2379]: Port 2379 is in use\n",
    );
    assert_eq!(causes[0].code, "DY-0601");
    let told = with_likeliest("not ready after 60 s".into(), &causes);
    assert!(
        told.contains("not ready after 60 s; likeliest cause: ") && told.contains("DY-0601"),
        "{told}"
    );
}
