//! The edge to the network: one HTTP/1.1 server for the control API, the web page and the media.
//!
//! It translates and decides nothing but who may call ([`Access`]): what a session is comes from
//! [`Core`](crate::control::Core), what is on its stream from [`Media`]. Every route is in [`router`].

mod access;
mod api;
mod authority;
mod body;
mod connection;
mod media;
mod page;
mod ports;
mod problem;
mod range;
mod router;
mod server;
mod view;

use std::{sync::Arc, time::Duration};

pub use access::Access;
pub use connection::Connection;
pub use ports::{Live, Media};
pub use router::router;
pub use server::serve;

use crate::activity::Activity;

/// All that the server needs. A clone is another handle on the same parts.
#[derive(Debug)]
pub struct App<C, M> {
    pub core: Arc<C>,
    pub media: Arc<M>,
    pub access: Arc<Access>,
    pub limits: Limits,
    /// Is told of everybody who is connected.
    pub activity: Activity,
}

impl<C, M> Clone for App<C, M> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            media: Arc::clone(&self.media),
            access: Arc::clone(&self.access),
            limits: self.limits,
            activity: self.activity.clone(),
        }
    }
}

/// How long and how much the server bears with a caller.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at one time; more wait in the kernel's queue until one ends.
    pub connections: usize,
    /// For a request's head to come, counted from the end of the one before: it is the life of an
    /// idle connection too. Also for a request's body.
    pub request_read: Duration,
    /// For an answer of the control API.
    pub control: Duration,
    /// For a playlist to have its first segment.
    pub first_segment: Duration,
    /// For a caller to take any byte of what is written to it.
    pub write_stall: Duration,
    /// For running answers to end after the server was told to.
    pub shutdown: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            request_read: Duration::from_secs(10),
            control: Duration::from_secs(30),
            first_segment: Duration::from_secs(10),
            write_stall: Duration::from_secs(30),
            shutdown: Duration::from_secs(2),
        }
    }
}
