//! The client of Google Cast against a TV on the loopback that does what the test says. One test for
//! each thing that TVs, the people in front of them, and what only looks like a TV, do.

#![expect(clippy::panic, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod core;
mod frames;
mod people;
mod scripted;
mod strangers;
mod trouble;
mod usual;
