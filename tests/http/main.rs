//! The HTTP edge from outside: each route and each error by request and answer, then what only a
//! real connection can show.

#![allow(
    dead_code,
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "what is shared serves several tests, and a test that cannot go on has failed"
)]

#[path = "../support/fake.rs"]
mod fake;
mod routes;
mod sockets;
