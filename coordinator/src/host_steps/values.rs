//! Helm values of one component for one cluster, rendered from the lab document.

use super::component_secrets::CaSecret;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior};
use model::lab::{Cluster, Lab};
use model::step::Role;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Why values cannot be rendered.
#[derive(Debug, thiserror::Error)]
pub enum ValuesError {
    /// The template is wrong, or names something that does not exist.
    #[error("template {name} for cluster {cluster}")]
    Render {
        /// Template's file name.
        name: String,
        /// Cluster.
        cluster: String,
        /// First cause, with the line.
        #[source]
        source: minijinja::Error,
    },
    /// What a values file renders to is not YAML.
    #[error("{name} does not render to YAML")]
    NotYaml {
        /// Its file name.
        name: String,
        /// First cause.
        #[source]
        source: serde_norway::Error,
    },
    /// What a values file renders to has no keys by which it could be merged with others.
    #[error("{name} renders to something else than a mapping")]
    NotMapping {
        /// Its file name.
        name: String,
    },
    /// The merged values cannot be written.
    #[error("the merged values cannot be written")]
    Unwritable(#[source] serde_norway::Error),
}

/// What the host can do; decides what charts may ask for.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct HostFacts {
    /// Whether containers may have CAP_SYS_RESOURCE.
    pub sys_resource: bool,
}

#[derive(Serialize)]
struct Peer<'a> {
    name: &'a str,
    address: std::net::Ipv4Addr,
    mesh_port: u16,
}

/// Renders `template` of `component` for `cluster`. In scope: `lab`, `cluster`, `control_plane`, `peers`, `host`, `secrets`,
/// and `settings`, the lab's own for this component; a name that does not exist is an error, not an empty string.
pub fn render(
    component: &str,
    name: &str,
    template: &str,
    lab: &Lab,
    cluster: &Cluster,
    host: HostFacts,
    secrets: &BTreeMap<String, CaSecret>,
) -> Result<String, ValuesError> {
    let peers = peers(lab, cluster);
    let control_plane = cluster.nodes.iter().find(|n| n.role == Role::ControlPlane);
    let own = lab.settings.iter().find(|(name, _)| name.as_str() == component);
    let settings = own.map(|(_, settings)| settings.clone()).unwrap_or_default();
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let scope = json!({
        "lab": lab, "cluster": cluster, "control_plane": control_plane, "peers": peers, "host": host, "secrets": secrets,
        "settings": settings,
    });
    environment
        .render_str(template, Serde(&scope))
        .map_err(|source| ValuesError::Render {
            name: name.to_owned(),
            cluster: cluster.name.to_string(),
            source,
        })
}

/// Fills the few names that readiness texts may use: `lab`, `cluster`, `peers`. A text that cannot be filled stays as it is, and so
/// does one of which nothing would be left: no output has the one, and every output would have the other.
pub fn expand(text: &str, lab: &Lab, cluster: &Cluster) -> String {
    let peers = peers(lab, cluster);
    let scope = json!({"lab": lab, "cluster": cluster, "peers": peers});
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    let filled = environment.render_str(text, Serde(&scope)).ok();
    filled
        .filter(|filled| !filled.trim().is_empty())
        .unwrap_or_else(|| text.to_owned())
}

/// One document out of several files, each with its name: later ones override earlier ones, mappings are merged key by key. One
/// that renders to nothing changes nothing, as with Helm.
pub fn merge<'a>(files: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<String, ValuesError> {
    let mut merged = Value::Object(Map::new());
    for (name, text) in files {
        let name = || name.to_owned();
        match serde_norway::from_str(text) {
            Ok(over @ Value::Object(_)) => overlay(&mut merged, over),
            Ok(Value::Null) => {}
            Ok(_) => return Err(ValuesError::NotMapping { name: name() }),
            Err(source) => return Err(ValuesError::NotYaml { name: name(), source }),
        }
    }
    serde_norway::to_string(&merged).map_err(ValuesError::Unwritable)
}

fn overlay(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                overlay(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

fn peers<'a>(lab: &'a Lab, cluster: &Cluster) -> Vec<Peer<'a>> {
    let others = lab.clusters.iter().filter(|other| other.name != cluster.name);
    others
        .filter_map(|other| {
            let address = other.control_plane()?.address;
            Some(Peer {
                name: other.name.as_str(),
                address,
                mesh_port: other.mesh_port,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rendered(text: &str) -> Result<String, ValuesError> {
        let lab = Lab::default();
        render(
            "c",
            "t",
            text,
            &lab,
            &lab.clusters[1],
            HostFacts { sys_resource: false },
            &BTreeMap::new(),
        )
    }

    #[test]
    fn peers_are_the_other_clusters() {
        let text =
            rendered("{% for p in peers %}{{ p.name }}:{{ p.mesh_port }} {% endfor %}").expect("renders");
        assert_eq!(text, "mgmt:32379 app2:32381 ");
    }

    #[test]
    fn an_unknown_name_is_an_error() {
        assert!(rendered("{{ cluster.nmae }}").is_err());
    }

    #[test]
    fn a_readiness_text_that_cannot_be_filled_stays_as_it_is() {
        let lab = Lab::default();
        let filled = |text: &str| expand(text, &lab, &lab.clusters[0]);
        assert_eq!(
            filled("{{ peers | length }}/{{ peers | length }} remote clusters ready"),
            "2/2 remote clusters ready"
        );
        for text in [
            "{{ cluster.nmae }}",
            "{{ nobody }}",
            "{{ peers",
            "{% if peers | length > 9 %}ready{% endif %}",
        ] {
            assert_eq!(filled(text), text);
        }
    }

    #[test]
    fn later_files_override_earlier_ones_key_by_key() {
        let files = [
            ("a", "x: {y: 1, z: 2}\nlist: [1, 2]\n"),
            ("b", "x: {z: 3}\nlist: [4]\n"),
        ];
        let merged = merge(files).expect("merged");
        let yaml: Value = serde_norway::from_str(&merged).expect("valid YAML");
        assert_eq!(yaml, json!({"x": {"y": 1, "z": 3}, "list": [4]}));
    }

    #[test]
    fn a_file_that_renders_to_nothing_changes_nothing() {
        for nothing in ["", "\n", "# only for some clusters\n", "---\n", "null\n", "{}\n"] {
            let merged = merge([("a", "x: 1\n"), ("b", nothing)]).expect("merged");
            assert_eq!(merged, "x: 1\n", "{nothing:?}");
        }
        assert_eq!(merge([]).expect("merged"), "{}\n");
    }

    #[test]
    fn a_file_that_is_no_mapping_is_refused_by_its_name() {
        for text in ["- x\n", "text\n", "7\n"] {
            let error = merge([("a", "x: 1\n"), ("b.yaml.j2", text)]).expect_err("refused");
            assert!(matches!(error, ValuesError::NotMapping { .. }), "{error:?}");
            assert!(error.to_string().contains("b.yaml.j2"), "{error}");
        }
        let error = merge([("b.yaml.j2", "x: [")]).expect_err("refused");
        assert!(error.to_string().contains("b.yaml.j2"), "{error}");
    }

    #[test]
    fn the_cilium_values_are_yaml_for_every_cluster() {
        let template = include_str!("../../../values/components/cilium/values.yaml.j2");
        let lab = Lab::default();
        let ca = CaSecret {
            cert: "Y2VydA==".into(),
            key: "a2V5".into(),
        };
        let secrets = BTreeMap::from([("mesh_ca".to_owned(), ca)]);
        for (cluster, sys_resource) in lab.clusters.iter().zip([true, false, true]) {
            let text = render(
                "cilium",
                "values",
                template,
                &lab,
                cluster,
                HostFacts { sys_resource },
                &secrets,
            )
            .expect("renders");
            let yaml: Value = serde_norway::from_str(&text).expect("valid YAML");
            assert_eq!(yaml["tunnelProtocol"], "vxlan");
            assert_eq!(yaml["cluster"]["name"], cluster.name.as_str());
            assert_eq!(text.contains("SYS_RESOURCE"), sys_resource);
        }
    }

    /// The control of C1 is none if it asks anybody else, or if it is Ready only while mgmt answers.
    #[test]
    fn the_dependent_application_asks_mgmt_for_every_answer_and_is_ready_without_it() {
        let text = rendered(include_str!(
            "../../../values/components/dependent-application/dependent.yaml.j2"
        ))
        .expect("renders");
        let (deployment, _) = text.split_once("---\n").expect("two documents");
        let yaml: Value = serde_norway::from_str(deployment).expect("valid YAML");
        let container = &yaml["spec"]["template"]["spec"]["containers"][0];
        assert_eq!(
            container["args"][3],
            "--http-override=/dial?host=web-of-mgmt.demo.svc.cluster.local.&port=80&request=hostname&protocol=http"
        );
        assert_eq!(container["readinessProbe"]["tcpSocket"]["port"], 8080);
    }

    #[test]
    fn the_mesh_servers_dial_the_peers_and_the_agents_their_own_server() {
        let text = rendered(include_str!(
            "../../../values/components/cluster-mesh/peers.yaml.j2"
        ))
        .expect("renders");
        let endpoints = |secret: &str| -> BTreeMap<String, String> {
            let yaml: Value = serde_norway::from_str(secret).expect("valid YAML");
            let files = yaml["stringData"].as_object().expect("files").iter();
            files
                .map(|(peer, file)| {
                    let file: Value =
                        serde_norway::from_str(file.as_str().expect("text")).expect("valid YAML");
                    (
                        peer.clone(),
                        file["endpoints"][0].as_str().expect("one").to_owned(),
                    )
                })
                .collect()
        };
        let peers = |mgmt: &str, app2: &str| {
            BTreeMap::from([("mgmt".into(), mgmt.into()), ("app2".into(), app2.into())])
        };
        let own = "https://clustermesh-apiserver.kube-system.svc:2379";
        let (servers, agents) = text.split_once("---\n").expect("two documents");
        assert_eq!(
            endpoints(servers),
            peers(
                "https://mgmt.mesh.cilium.io:32379",
                "https://app2.mesh.cilium.io:32381"
            )
        );
        assert_eq!(endpoints(agents), peers(own, own));
    }
}
