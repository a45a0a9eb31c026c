//! The D-Bus edge on private buses: with the policy that is shipped and a core that does as the test
//! says, and the built program; driven by the programs that people use, and by some that mean no good.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod abuse;
mod access;
mod api;
mod bus;
mod changes;
mod contract;
mod equal;
mod house;
mod polkit;
mod program;
mod readme;
mod real_polkit;
mod wrong;

#[path = "../support/fake.rs"]
mod fake;
#[path = "../support/mod.rs"]
mod support;
