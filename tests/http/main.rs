//! The HTTP edge from outside: each route and each error by request and answer, then what only a
//! real connection can show.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "../support/fake.rs"]
mod fake;
mod routes;
mod sockets;
