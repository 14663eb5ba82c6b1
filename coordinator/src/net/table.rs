//! Who may call what. What is not in the table is refused.

/// What a peer is, for the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// No client certificate: enrolment only.
    Anonymous,
    /// A node with a live certificate.
    Node,
    /// A node whose certificate ran out, within the recovery time: renewal only.
    ExpiredNode,
    /// An operator.
    Operator,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 4] = [Role::Anonymous, Role::Node, Role::ExpiredNode, Role::Operator];
}

use Role::{Anonymous, ExpiredNode, Node, Operator};

/// Full method paths and the roles that may call them.
pub const TABLE: &[(&str, &[Role])] = &[
    ("/drillyard.v1.Enrolment/Enrol", &[Anonymous]),
    ("/drillyard.v1.AgentLink/Session", &[Node]),
    ("/drillyard.v1.AgentLink/Renew", &[Node, ExpiredNode]),
    ("/drillyard.v1.AgentLink/FetchStepSecret", &[Node]),
    ("/drillyard.v1.AgentLink/PutStepSecret", &[Node]),
    ("/drillyard.v1.Operator/GetStatus", &[Operator]),
    ("/drillyard.v1.Operator/Subscribe", &[Operator]),
    ("/drillyard.v1.Operator/StartRun", &[Operator]),
    ("/drillyard.v1.Operator/ConfirmGate", &[Operator]),
    ("/drillyard.v1.Operator/CancelRun", &[Operator]),
    ("/drillyard.v1.Operator/MintUserData", &[Operator]),
    ("/drillyard.v1.Operator/RevokeNode", &[Operator]),
    ("/drillyard.v1.Operator/EnrolNode", &[Operator]),
    ("/drillyard.v1.Operator/StopDaemon", &[Operator]),
    ("/drillyard.v1.Operator/InjectFault", &[Operator]),
    ("/drillyard.v1.Operator/ReleaseFault", &[Operator]),
    ("/drillyard.v1.Operator/SurveyFaults", &[Operator]),
    ("/drillyard.v1.Operator/GetRunReport", &[Operator]),
    ("/drillyard.v1.Operator/StartDrill", &[Operator]),
    ("/drillyard.v1.Operator/FollowDrill", &[Operator]),
    ("/drillyard.v1.Operator/AbortDrill", &[Operator]),
    ("/drillyard.v1.Operator/ReadNodeLogs", &[Operator]),
    // What Prometheus reads.
    ("/metrics", &[Operator]),
    // What standard tools call; not of our schema.
    ("/grpc.health.v1.Health/Check", &[Operator]),
    ("/grpc.health.v1.Health/Watch", &[Operator]),
    (
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        &[Operator],
    ),
    (
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        &[Operator],
    ),
];

/// Folder of the agent's binary on the enrolment listener; public, because the token is not spent before it runs.
pub(crate) const AGENT_PREFIX: &str = "/agent/";

/// Roles that may call `path`; empty for anything unknown.
pub fn role_for(path: &str) -> &'static [Role] {
    if path
        .strip_prefix(AGENT_PREFIX)
        .is_some_and(|target| !target.is_empty() && !target.contains('/'))
    {
        return &[Anonymous];
    }
    TABLE
        .iter()
        .find(|(method, _)| *method == path)
        .map_or(&[], |(_, roles)| roles)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every method of the schema, as the wire knows it.
    fn schema_methods() -> Vec<String> {
        let schema = include_str!("../../../proto/drillyard/v1/drillyard.proto");
        let mut service = "";
        let mut methods = Vec::new();
        for line in schema.lines().map(str::trim) {
            if let Some(rest) = line.strip_prefix("service ") {
                service = rest.trim_end_matches(['{', ' ']);
            } else if let Some(rest) = line.strip_prefix("rpc ") {
                let name = rest.split('(').next().unwrap_or_default();
                methods.push(format!("/drillyard.v1.{service}/{name}"));
            }
        }
        methods
    }

    #[test]
    fn the_table_is_exactly_the_schema() {
        let mut schema = schema_methods();
        let ours = |method: &&str| method.starts_with("/drillyard.v1.");
        let mut table: Vec<_> = TABLE.iter().map(|(method, _)| *method).filter(ours).collect();
        schema.sort();
        table.sort();
        assert!(schema.len() >= 13);
        assert_eq!(schema, table);
    }

    #[test]
    fn every_role_reaches_its_own_service_and_no_other() {
        for method in schema_methods() {
            for role in Role::ALL {
                let expected = match role {
                    Anonymous => method == "/drillyard.v1.Enrolment/Enrol",
                    Node => method.starts_with("/drillyard.v1.AgentLink/"),
                    ExpiredNode => method == "/drillyard.v1.AgentLink/Renew",
                    Operator => method.starts_with("/drillyard.v1.Operator/"),
                };
                assert_eq!(
                    role_for(&method).contains(&role),
                    expected,
                    "{role:?} on {method}"
                );
            }
        }
    }

    #[test]
    fn standard_services_are_for_operators_alone() {
        let standard = TABLE.iter().filter(|(method, _)| method.starts_with("/grpc."));
        let (mut count, mut all) = (0, true);
        for (method, roles) in standard {
            count += 1;
            all &= *roles == [Operator];
            assert!(all, "{method}");
        }
        assert_eq!(count, 4);
    }

    #[test]
    fn what_is_not_in_the_table_is_for_nobody() {
        for path in [
            "",
            "/",
            "/agent/",
            "/agent/a/b",
            "/agent",
            "/drillyard.v1.Operator/",
            "/drillyard.v1.Operator/GetStatus/",
            "//drillyard.v1.Operator/GetStatus",
            "/drillyard.v1.operator/getstatus",
            "/grpc.reflection.v1.ServerReflection/Other",
            "/grpc.health.v1.Health/List",
        ] {
            assert!(role_for(path).is_empty(), "{path:?} is allowed to somebody");
        }
        assert_eq!(role_for("/agent/x86_64-unknown-linux-gnu"), &[Anonymous]);
    }
}
