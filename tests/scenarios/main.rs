//! Scenarios over real programs: the layering of the workspace and the whole lab.

#![expect(clippy::expect_used, reason = "a test stops at the first surprise")]

mod bad_input;
mod bootstrap;
mod completions;
mod daemon;
mod detection;
mod diagnosis;
mod drills;
mod error_codes;
mod evidence;
mod expired;
mod faults;
mod global_service;
mod hardships;
mod health;
mod kills;
mod layering;
mod leftovers;
mod modules;
mod platform;
mod scraped;
mod stop;
mod tokens;
mod web;
