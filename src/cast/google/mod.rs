//! Google Cast: our own client of its protocol, CASTV2, for the player that is on every such TV.
//!
//! One connection is TLS ([`tls`]) with frames in it ([`framing`]), each an envelope ([`message`])
//! around JSON ([`platform`], [`media`]). What is said and when is decided in [`conversation`], which
//! is pure; [`actor`] moves the bytes.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, timeout_at},
};
use tokio_rustls::{
    TlsConnector,
    rustls::{self, pki_types::ServerName},
};
use tracing::Instrument as _;

use crate::session::{
    ports::Link,
    tv::{TvCommand, TvEvent},
};
use actor::Actor;
pub use framing::FrameError;
pub(crate) use tls::client as tls_with_any_certificate;

mod actor;
mod conversation;
mod failure;
mod framing;
mod json;
mod media;
mod message;
mod outbox;
mod platform;
mod player;
mod requests;
mod tls;

/// Where TVs listen. Discovery may say otherwise.
pub const PORT: u16 = 8009;

/// Commands are few; the core gives up a TV that leaves this many.
const COMMANDS: usize = 16;
/// Events on their way to the core. Behind them is an outbox with room for a few more, which tells
/// what is left out when the core reads none.
const EVENTS: usize = 8;

/// How long things may take. The defaults are for real TVs; tests are less patient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For TCP and TLS together. A TV that is on answers at once.
    pub connect: Duration,
    /// For an answer to a request.
    pub request: Duration,
    /// For the player to be there after LAUNCH, which fetches it from the internet and may have to
    /// wake the TV. Not counted while the TV asks somebody for permission.
    pub launch: Duration,
    /// Between two PINGs. TVs drop a sender that is silent for 10 s.
    pub ping: Duration,
    /// Without any byte from the TV, the connection counts as dead: three missed PINGs.
    pub silence: Duration,
    /// Between two looks at what the player does, while it has something to do: without being asked
    /// it tells changes only, and a position that moves is the one proof that it plays.
    pub poll: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            // A TV that is not there is to be told of within 5 s.
            connect: Duration::from_millis(4500),
            request: Duration::from_secs(10),
            launch: Duration::from_secs(30),
            ping: Duration::from_secs(5),
            silence: Duration::from_secs(15),
            poll: Duration::from_secs(2),
        }
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("connecting to {address}")]
    Tcp { address: SocketAddr, source: io::Error },
    /// Nothing there, or something that does not talk.
    #[error("connecting to {address}: no answer within {limit:?}")]
    Timeout { address: SocketAddr, limit: Duration },
    /// Something that talks, but not like a TV.
    #[error("starting TLS with {address}")]
    Tls { address: SocketAddr, source: io::Error },
    #[error("asking {address} what runs on it")]
    FirstLook { address: SocketAddr, source: Lost },
    /// The program's own fault.
    #[error("preparing TLS")]
    Setup(#[from] rustls::Error),
}

/// Why a connection ended that we did not end.
#[derive(Debug, thiserror::Error)]
pub enum Lost {
    #[error("the TV has said nothing for {0:?}")]
    Silent(Duration),
    #[error("the TV closed the connection")]
    Closed,
    #[error("the TV ended the conversation")]
    Dismissed,
    #[error("the TV did not say within {0:?} what runs on it")]
    NoStatus(Duration),
    #[error("the TV does not read what it is told")]
    Deaf,
    #[error("the TV does not speak Google Cast")]
    Frame(#[from] FrameError),
    #[error("hearing the TV")]
    Reading(#[source] io::Error),
    #[error("telling the TV")]
    Writing(#[source] io::Error),
}

/// A connection to a TV.
#[derive(Debug)]
pub struct Connection {
    pub link: Link<TvCommand, TvEvent>,
    /// Our own address on the interface that reaches this TV.
    pub local: IpAddr,
    /// What the TV said last of being in standby; many do not say. It closes with the connection.
    pub standby: watch::Receiver<Option<bool>>,
    /// Comes when the link has closed: why, unless it was closed from our side. Whoever decides what
    /// follows tells it; nothing here does.
    pub end: JoinHandle<Result<(), Lost>>,
}

/// Connects to a TV and asks what runs on it: [`TvEvent::Receiver`] is the first event of the link.
///
/// If that is our player it asks what it plays as well. It starts nothing by itself.
///
/// Closing the link leaves the TV as it is: what plays there plays on. The commands before are
/// carried out.
///
/// # Errors
/// There is no TV at this address, or it does not answer.
pub async fn connect(address: SocketAddr, timing: Timing) -> Result<Connection, ConnectError> {
    let deadline = Instant::now() + timing.connect;
    let timeout = |_| ConnectError::Timeout { address, limit: timing.connect };
    let tcp = |source| ConnectError::Tcp { address, source };

    let tls = TlsConnector::from(Arc::new(tls::client()?));
    let socket = timeout_at(deadline, TcpStream::connect(address)).await.map_err(timeout)?;
    let socket = socket.map_err(tcp)?;
    // Messages are small and answers are waited for.
    socket.set_nodelay(true).map_err(tcp)?;
    let local = plain(socket.local_addr().map_err(tcp)?.ip());
    let socket = timeout_at(deadline, tls.connect(ServerName::from(address.ip()), socket)).await;
    let socket =
        socket.map_err(timeout)?.map_err(|source| ConnectError::Tls { address, source })?;

    let (to_tv, commands) = mpsc::channel::<TvCommand>(COMMANDS);
    let (events, from_tv) = mpsc::channel::<TvEvent>(EVENTS);
    let (to_followers, standby) = watch::channel(None);
    let mut actor = Actor::new(socket, timing, commands, events, to_followers);
    actor.begin().await.map_err(|source| ConnectError::FirstLook { address, source })?;
    let end = tokio::spawn(actor.run().in_current_span());
    let link = Link { to_worker: to_tv, from_worker: from_tv };
    Ok(Connection { link, local, standby, end })
}

/// An IPv4 address as such, also from a socket that speaks IPv6 as well: TVs are told this address,
/// and their players take it literally.
const fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

#[cfg(test)]
mod tests;
