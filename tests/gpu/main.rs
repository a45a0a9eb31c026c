//! Encoding on a GPU that is not there.
//!
//! These run on the rig of `tests/support/rig.rs`. Above the kernel everything is what Debian ships, so
//! they show which device, driver, profile, entry point and rate control is chosen, what is refused and
//! how, that surfaces are uploaded and packets come, and what becomes of errors, hangs and crashes.
//!
//! What they cannot show:
//!
//! - The pictures. What comes out was prepared; nothing says that the GPU would have drawn what went in,
//!   nor that it would have kept the bit rate, the level or the headers that it was asked for.
//! - Time. The GPU is as fast as memory, and waits for nothing.
//! - The kernel. Its permissions, resets, power states and firmware are played by a few lines.
//! - Gen 12 and later on Debian 12, and QuickSync on Gen 9 on Debian 13: the driver crashes on the rig,
//!   and Debian has no runtime.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod doctor;
mod program;
mod rig;

#[path = "../support/mod.rs"]
mod support;
