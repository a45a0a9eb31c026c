//! The built program with real Chromium, from `POST /start` to what a player and a decoder see, and
//! to what is left when it ends.
#![allow(
    dead_code,
    clippy::cast_possible_truncation,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "what is shared serves several tests, and a failed test panics"
)]

mod bad_page;
mod bad_request;
mod churn;
mod inspector;
mod lifecycle;
mod netdata;
mod popup;
mod reload;
mod remains;
mod truth;
mod web_page;

#[path = "../support/mod.rs"]
mod support;

use support::{pages, playlist, stage};
