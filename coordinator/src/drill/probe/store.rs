//! What keeps a canary's numbers at the receiver's end, asked in two ways: as a client outside asks, and without a limit on the
//! answer's length.

use crate::drill::{http, kube};
use crate::host_steps::kube::Cluster;
use std::net::SocketAddr;

/// A store of samples or of lines.
#[derive(Debug)]
pub(super) struct Store {
    /// Its service as a client outside reaches it.
    pub(super) outside: NodePort,
    /// Its cluster, and its service below that API server's root.
    pub(super) proxy: (Cluster, String),
}

/// A service at a port of a node.
#[derive(Debug)]
pub(super) struct NodePort {
    /// Of the node, and the port.
    pub(super) address: SocketAddr,
    /// Host header.
    pub(super) host: String,
}

impl Store {
    /// An answer of any length, by way of its API server; else why there is none.
    pub(super) async fn all(&self, path: &str) -> Result<String, String> {
        let (cluster, service) = &self.proxy;
        kube::text(cluster, &format!("{service}{path}")).await
    }
}

impl NodePort {
    /// The text of a good answer, over a connection of its own; else why there is none.
    pub(super) async fn get(&self, path: &str) -> Result<String, String> {
        match http::get(self.address, &self.host, path).await {
            Ok((200, text)) => Ok(text),
            Ok((status, _)) => Err(format!("status {status}")),
            Err(error) => Err(error.to_string()),
        }
    }
}
