//! What runs inside a worker process: where its parts meet.

pub mod browser;
pub mod encoder;

use std::{
    io,
    os::fd::{FromRawFd, OwnedFd},
};

use crate::worker::CONNECTION;

/// Takes over the connection that the starter left as descriptor 3.
///
/// # Errors
/// There is none: the program was started by hand.
fn connection() -> io::Result<OwnedFd> {
    let missing = |cause: rustix::io::Errno| {
        io::Error::other(format!(
            "no connection on descriptor {CONNECTION} ({cause}): workers are started by \
             `dashboard-cast daemon`, not by hand"
        ))
    };
    // SAFETY: workers are started with their connection there, and this is called once, before
    // anything else could have opened it. Whether it is a socket is checked below.
    let socket = unsafe { OwnedFd::from_raw_fd(CONNECTION) };
    match rustix::net::sockopt::socket_type(&socket) {
        Ok(_) => Ok(socket),
        Err(cause) => {
            // What is there instead is not ours to close.
            std::mem::forget(socket);
            Err(missing(cause))
        }
    }
}
