//! The command line as people and scripts meet it: help, manual pages, and every verb against a service
//! on a bus of its own.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod bus;
mod cast;
mod doctor;
mod fake;
mod help;
mod interfaces;
mod manual;
mod proxmox;
mod readme;
mod real;
mod terminal;
mod verbs;

#[path = "../support/proxmox.rs"]
mod proxmox_tree;
#[path = "../cast/scripted/mod.rs"]
mod scripted;
#[path = "../support/mod.rs"]
mod support;
#[path = "../casting/viewer.rs"]
mod viewer;

const PROGRAM: &str = env!("CARGO_BIN_EXE_dashboard-cast");
