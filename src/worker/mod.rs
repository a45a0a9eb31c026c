//! The processes of a session, seen from both ends: how they are started, and the protocol that the
//! daemon and they speak.
//!
//! They are started by systemd where this is a service ([`Units`]), and by ourselves elsewhere
//! ([`Children`]); they know no difference.
//!
//! A worker has one connection, a `SOCK_SEQPACKET` socket that it finds as descriptor 3. Its end is
//! the worker's end, and the worker's end is its.

mod children;
mod link;
mod units;
pub mod wire;

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
};

pub use children::{CONNECTION, Children};
pub use link::{Inbound, Outbound, Tasks, VERSION, decode, encode, serve};
pub use units::Units;

use crate::session::ports::{BrowserCommand, BrowserEvent, BrowserSettings, Link};

/// How browsers are run that are started from now on. A clone is another handle on the same.
#[derive(Clone, Debug, Default)]
pub struct Browsers(Arc<RwLock<BrowserSettings>>);

impl Browsers {
    pub fn set(&self, settings: BrowserSettings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = settings;
    }

    /// Tells a new browser worker.
    async fn configure(
        &self,
        link: Link<BrowserCommand, BrowserEvent>,
    ) -> io::Result<Link<BrowserCommand, BrowserEvent>> {
        let settings = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        // A new connection has room.
        match link.to_worker.send(BrowserCommand::Configure(settings)).await {
            Ok(()) => Ok(link),
            Err(_) => Err(io::Error::other("the browser worker ended at once")),
        }
    }
}
