//! The processes of a session, seen from both ends: how they are started, and the protocol that the
//! daemon and they speak.
//!
//! A worker has one connection, a `SOCK_SEQPACKET` socket that it finds as descriptor 3. Its end is
//! the worker's end, and the worker's end is its.

mod children;
mod link;
pub mod wire;

pub use children::{CONNECTION, Children};
pub use link::{Inbound, Outbound, Tasks, VERSION, decode, encode, serve};
