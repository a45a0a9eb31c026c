//! The installed package on a machine with a kernel of its own: GPUs that come and go, limits of memory,
//! and a clock that is set. Containers have none of these.
//!
//! A Debian 12 and a Debian 13 are booted in QEMU and gone through in the order of a life. Not run by
//! `cargo test`, but by `make test-vm`: it makes whole systems, as root.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod agent;
mod doctor;
mod gpu;
mod service;
mod session;
mod told;
mod vm;

#[path = "../support/mod.rs"]
mod support;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use self::{service::measure, vm::Vm};

#[test]
fn debian_12() {
    live("bookworm");
}

#[test]
fn debian_13() {
    live("trixie");
}

type Fact = (&'static str, fn(&Vm));

/// Goes through a life, to its end even when something in it is not as it should be.
fn live(suite: &str) {
    let disk = Vm::prepare(suite);
    let vm = measure("booted", || Vm::boot(&disk));
    told::listen(&vm);
    let mut wrong = Vec::new();
    for (name, fact) in [gpu::FACTS, session::FACTS, gpu::END].into_iter().flatten() {
        let begin = Instant::now();
        let holds = catch_unwind(AssertUnwindSafe(|| fact(&vm))).is_ok();
        let word = if holds { "ok" } else { "FAILED" };
        eprintln!("{suite}: {name} ... {word} ({:.0} s)", begin.elapsed().as_secs_f32());
        if !holds {
            eprintln!("{}", vm.journal());
            wrong.push(*name);
        }
    }
    assert!(wrong.is_empty(), "on {suite}: {}", wrong.join(", "));
}
