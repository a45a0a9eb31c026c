//! Measures what encoding on a GPU costs and how fast it is found, on a GPU that is not there.
//!
//! It runs on the rig of `tests/support/rig.rs`: FFmpeg, QuickSync's runtime, libva and Intel's driver are
//! real, the kernel's i915 accepts everything and does nothing.
//!
//! What the rig cannot show:
//!
//! - The GPU's time, in proofs, encoding and conversion: a picture is done as soon as it is asked for.
//! - What a surface's memory is like. Here it is the CPU's own, and never in use by somebody else.
//! - Conversion on the GPU. The driver that Debian has cannot do it, which the bench asks it for.
//! - A container whose nodes nobody tells of: there it is looked only every five seconds, which come on
//!   top of what is measured for a node that is there again.
//!
//! So a missed floor is said and is no failure. `BENCH_CASE` (comma-separated names) narrows it to `probe`,
//! `frames`, `upload` or `failover`.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a bench prints, panics when it cannot measure, and shares modules with the tests"
)]

mod failover;
mod ffmpeg;
mod frames;
mod probe;
mod report;
mod upload;

#[path = "../../tests/support/daemon.rs"]
mod daemon;
#[path = "../../tests/support/files.rs"]
mod files;
#[path = "../../tests/support/rig.rs"]
mod rig;

use std::env;

use report::Report;
use rig::{Rig, honest_pictures};

const PROGRAM: &str = env!("CARGO_BIN_EXE_dashboard-cast");

fn main() {
    if frames::is_on_rig() {
        return frames::encode();
    }
    let cases = env::var("BENCH_CASE").ok();
    let runs = |case| cases.as_ref().is_none_or(|cases| cases.split(',').any(|one| one == case));
    let rig = Rig::new();
    rig.show("1920x1080", honest_pictures());
    let mut report = Report::default();
    if runs("probe") {
        probe::measure(&rig, &mut report);
    }
    if runs("frames") {
        frames::measure(&rig, &mut report);
    }
    if runs("upload") {
        upload::measure(&rig, &mut report);
    }
    if runs("failover") {
        failover::measure(&rig, &mut report);
    }
    print!("{report}");
}

/// The one in the middle, and the largest.
fn summary(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[values.len() - 1])
}
