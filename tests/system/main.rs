//! The installed package on Debian 12 and 13: what a person who types the commands of the README gets.
//!
//! Each Debian is booted once, beside a TV in a network of their own, and gone through in the order of a
//! life: install, use, break, remove. Not run by `cargo test`, but by `make test-system`: it makes and
//! boots whole systems, as root.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod casting;
mod doctor;
mod gpu;
mod house;
mod life;
mod machine;
mod sandbox;
mod trouble;
mod unprivileged;

#[path = "../support/mod.rs"]
mod support;

use std::thread;

use self::{
    house::House,
    machine::Kind,
    support::booted::{self, Booted as _},
};

/// What there is to find out about a machine.
const WHOLE_LIFE: &[&[Fact]] = &[
    life::BEGINNING,
    sandbox::FACTS,
    sandbox::WATCHDOGS,
    gpu::FACTS,
    doctor::FACTS,
    casting::FACTS,
    trouble::FACTS,
    life::END,
];

#[test]
fn debian_12() {
    live("debian-12", "bookworm", Kind::Privileged, WHOLE_LIFE);
}

#[test]
fn debian_13() {
    live("debian-13", "trixie", Kind::Privileged, WHOLE_LIFE);
}

#[test]
fn debian_13_in_an_unprivileged_container() {
    let facts = &[life::BEGINNING, sandbox::FACTS, unprivileged::FACTS, life::END];
    live("debian-13-unprivileged", "trixie", Kind::Unprivileged, facts);
}

type Fact = booted::Fact<House>;

/// Goes through a life, to its end even when something in it is not as it should be.
fn live(name: &'static str, suite: &'static str, kind: Kind, facts: &'static [&[Fact]]) {
    // On a thread of its own, which moves into the house's network for good.
    let life = thread::spawn(move || {
        let house = House::of(name, suite, kind);
        booted::live(name, &house, facts, |house| {
            eprintln!("{}", house.machine.journal());
            house.tidy();
        });
    });
    assert!(life.join().is_ok(), "not all is well on {name}");
}
