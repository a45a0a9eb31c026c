//! Workers as instances of systemd's units, each in a sandbox and a cgroup of its own.
//!
//! The sockets are `Accept=yes`: systemd starts an instance for each connection and gives it that. We
//! need no privilege for it, and nothing of a worker can outlast its unit.

use std::{io, os::fd::OwnedFd, path::PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

use super::{
    Browsers,
    link::{Inbound, Outbound, serve},
};
use crate::{
    ids::SessionId,
    session::ports::{
        BrowserCommand, BrowserEvent, EncoderCommand, EncoderEvent, Link, Starting, Workers,
    },
};

/// Has systemd start each worker.
#[derive(Debug)]
pub struct Units {
    /// Where the sockets `encoder` and `browser` are.
    sockets: PathBuf,
    browsers: Browsers,
}

impl Units {
    /// `sockets` is the directory of the sockets `encoder` and `browser`.
    pub const fn new(sockets: PathBuf, browsers: Browsers) -> Self {
        Self { sockets, browsers }
    }

    fn start<Out, In>(&self, name: &str, what: &'static str) -> io::Result<Link<Out, In>>
    where
        Out: Outbound + Send + Sync + 'static,
        In: Inbound + Send + 'static,
    {
        // Its tasks need nobody: the worker is gone when it has said its last.
        let (link, _) = serve(self.connect(name)?, what)?;
        Ok(link)
    }

    fn connect(&self, name: &str) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)?;
        let path = self.sockets.join(name);
        let connected = connect(&socket, &SocketAddrUnix::new(&path)?);
        connected.map_err(|cause| {
            let unit = format!("dashboard-cast-{name}.socket");
            let cause = io::Error::from(cause);
            io::Error::new(
                cause.kind(),
                format!("connecting to {} ({cause}): is {unit} active?", path.display()),
            )
        })?;
        Ok(socket)
    }
}

impl Workers for Units {
    fn start_encoder(&self) -> Starting<'_, EncoderCommand, EncoderEvent> {
        Box::pin(async { self.start("encoder", "encoder worker") })
    }

    fn start_browser<'a>(&'a self, _: &'a SessionId) -> Starting<'a, BrowserCommand, BrowserEvent> {
        Box::pin(async {
            let link = self.start("browser", "browser worker")?;
            self.browsers.configure(link).await
        })
    }

    /// A unit leaves nothing.
    fn clean_up(&self, _: &SessionId) {}
}
