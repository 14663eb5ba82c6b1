//! Runs typed steps on a node and reports.
