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

use self::{
    service::measure,
    support::booted::{self, Booted as _},
    vm::Vm,
};

#[test]
fn debian_12() {
    live("bookworm");
}

#[test]
fn debian_13() {
    live("trixie");
}

type Fact = booted::Fact<Vm>;

fn live(suite: &str) {
    let disk = booted::prepare("tests/vm/prepare", suite);
    let vm = measure("booted", || Vm::boot(&disk));
    told::listen(&vm);
    let facts = [gpu::FACTS, session::FACTS, gpu::END];
    booted::live(suite, &vm, &facts, |vm| eprintln!("{}", vm.journal()));
}
