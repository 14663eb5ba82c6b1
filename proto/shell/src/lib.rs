//! How every daemon of Drillyard starts, logs, secures itself and stops.
