//! Whole casts: the built program, a page in real Chromium, and TVs that do what a test says or that
//! really play.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod cast;
mod half_hour;
mod house;
mod navigate;
mod people;
mod playing;
mod reload;
mod render;
mod restart;
mod start;
mod strangers;
mod trouble;
mod tv;
mod viewer;
mod volume;

#[path = "../cast/scripted/mod.rs"]
mod scripted;
#[path = "../support/mod.rs"]
mod support;
