//! Makes and removes the nodes of a lab on this host.
