//! End-to-end scenarios and their harness.
