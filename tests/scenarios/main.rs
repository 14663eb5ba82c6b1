//! Scenarios over real programs: the layering of the workspace and the whole lab.

mod bootstrap;
mod global_service;
mod layering;
mod leftovers;
