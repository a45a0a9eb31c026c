//! The built program in a network of its own with TVs that are only announcements: two network
//! namespaces and a cable between them.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod announced;
mod configured;
mod network;
mod obstacles;
mod playing;
mod program;
mod tv;

#[path = "../support/mod.rs"]
mod support;
