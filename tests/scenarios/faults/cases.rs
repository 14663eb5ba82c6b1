//! Every fault with what it looks like from outside.

use serde_json::{Value, json};
use std::net::Ipv4Addr;
use std::time::Duration;
use tests::lab::TestLab;
use tests::node_net::{Inside, inside};
use tests::patience::until;

/// One kind of fault on this lab.
pub(crate) struct Case {
    pub(crate) kind: &'static str,
    pub(crate) fault: Value,
    pub(crate) ttl_ms: u64,
    /// Whether the effect lasts until it is undone.
    pub(crate) visible: bool,
    /// Whether undoing takes as long as a node's boot.
    pub(crate) slow: bool,
    /// Whether it is broken now.
    pub(crate) broken: Box<dyn Fn(&TestLab) -> bool>,
}

impl Case {
    /// Waits until its effect is gone; `status` says what is so while it is not.
    pub(crate) fn until_whole(
        &self,
        lab: &TestLab,
        what: &str,
        limit: Duration,
        status: &str,
    ) -> Result<(), String> {
        until(what, limit, || {
            if (self.broken)(lab) {
                Err(status.into())
            } else {
                Ok(())
            }
        })
    }
}

/// All kinds, on the first two clusters' control planes.
pub(crate) fn cases(lab: &TestLab) -> Vec<Case> {
    let (one, other) = (&lab.lab.clusters[0], &lab.lab.clusters[1]);
    let (a, b) = (one.nodes[0].clone(), other.nodes[0].clone());
    let (name, peer) = (a.name.to_string(), b.address);
    let own = a.address;
    let gateway = lab.lab.network.gateway;
    let on_node = |inject: Value| json!({"on": "node", "node": a.name, "inject": inject});
    let on_host = |inject: Value| json!({"on": "host", "inject": inject});
    let from_a = move |look: fn(Inside, Ipv4Addr) -> bool, what: Ipv4Addr| -> Box<dyn Fn(&TestLab) -> bool> {
        let name = name.clone();
        Box::new(move |lab| inside(lab, &name).is_none_or(|node| look(node, what)))
    };
    let case = |kind, fault, broken| Case {
        kind,
        fault,
        ttl_ms: 6_000,
        visible: true,
        slow: false,
        broken,
    };
    let scheduler = json!({"namespace": "kube-system", "key": "component", "value": "kube-scheduler"});
    let no_etcd = |node: Inside, _: Ipv4Addr| !node.reaches(Ipv4Addr::LOCALHOST, 2381);
    let silent = |node: Inside, _: Ipv4Addr| {
        let url = "https://127.0.0.1:10259/healthz";
        !node.run(&[
            "curl",
            "--silent",
            "--insecure",
            "--max-time",
            "1",
            "--output",
            "/dev/null",
            url,
        ])
    };
    let cut = |node: Inside, peer: Ipv4Addr| !node.reaches(peer, 6443);
    let alone = |node: Inside, gateway: Ipv4Addr| node.refused_at_once(gateway, 9, 1) == 0;
    vec![
        case(
            "stop_unit",
            on_node(json!({"fault": "stop_unit", "unit": "kubelet"})),
            from_a(
                |node, _| !node.run(&["systemctl", "is-active", "--quiet", "kubelet"]),
                own,
            ),
        ),
        case(
            "stop_static_pod",
            on_node(json!({"fault": "stop_static_pod", "pod": "etcd"})),
            from_a(no_etcd, own),
        ),
        case(
            "pause_workload",
            on_node(json!({"fault": "pause_workload", "workload": scheduler})),
            from_a(silent, own),
        ),
        Case {
            visible: false,
            ..case(
                "kill_workload",
                on_node(json!({"fault": "kill_workload", "workload": scheduler})),
                from_a(silent, own),
            )
        },
        case(
            "cut_peers",
            on_node(json!({"fault": "cut_peers", "peers": [peer]})),
            from_a(cut, peer),
        ),
        case(
            "lose_packets",
            on_node(json!({"fault": "lose_packets", "peers": [peer], "percent": 40})),
            // Without loss each of them is refused at once; with 40 % each way a third is.
            from_a(|node, peer| node.refused_at_once(peer, 9, 12) < 12, peer),
        ),
        case(
            "drop_dns",
            on_node(json!({"fault": "drop_dns"})),
            from_a(|node, gateway| !node.may_ask_names(gateway), gateway),
        ),
        case(
            "fill_disk",
            on_node(json!({"fault": "fill_disk", "volume": "kubelet", "keep": 1500})),
            from_a(|node, _| free_mib(node) < 2048, own),
        ),
        Case {
            slow: true,
            ..case(
                "lose_etcd_data",
                on_node(json!({"fault": "lose_etcd_data", "lag": 1})),
                from_a(no_etcd, own),
            )
        },
        case(
            "freeze",
            on_host(json!({"fault": "freeze", "node": a.name})),
            from_a(|_, own| !answers(own, 6443), own),
        ),
        case(
            "link_down",
            on_host(json!({"fault": "link_down", "node": a.name})),
            from_a(alone, gateway),
        ),
        case(
            "cut_clusters",
            on_host(json!({"fault": "cut_clusters", "one": one.name, "other": other.name})),
            from_a(cut, peer),
        ),
        Case {
            slow: true,
            ..case(
                "power_loss",
                on_host(json!({"fault": "power_loss", "node": a.name})),
                from_a(|_, own| !answers(own, 6443), own),
            )
        },
    ]
}

/// Whether a TLS server answers from the host: an accepted connection alone says nothing of a frozen process.
fn answers(address: Ipv4Addr, port: u16) -> bool {
    let url = format!("https://{address}:{port}/livez");
    let words = [
        "--silent",
        "--insecure",
        "--max-time",
        "1",
        "--output",
        "/dev/null",
        &url,
    ];
    let done = std::process::Command::new("curl").args(words).status();
    done.is_ok_and(|status| status.success())
}

fn free_mib(node: Inside) -> u64 {
    let stat = nix::sys::statvfs::statvfs(&node.path("/var/lib/kubelet"));
    stat.map_or(0, |s| {
        s.blocks_available().saturating_mul(s.fragment_size()) >> 20
    })
}
