//! Commands and events as messages.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::Arc,
    time::Duration,
};

use rustix::net::Shutdown;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{Interest, unix::AsyncFd},
    sync::mpsc,
    task::JoinHandle,
};

use super::wire::{self, Assembler, Message, Received};
use crate::session::ports::{BrowserCommand, BrowserEvent, EncoderCommand, EncoderEvent, Link};

/// Raised whenever a message changes. A worker of another version is a left-over of an upgrade.
pub const VERSION: u32 = 2;

/// A second of packets and a few facts. Full, it holds the worker back, which leaves out pictures.
const EVENTS: usize = 64;
/// Commands are few. A worker that leaves this many unread is stuck, and its session gives it up.
const COMMANDS: usize = 16;
/// How long one command may wait for room in the socket.
const SEND_LIMIT: Duration = Duration::from_secs(10);

/// A message that may have a descriptor in its luggage.
pub trait Outbound: Serialize {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        None
    }
}

pub trait Inbound: DeserializeOwned {
    /// In bytes; a peer that sends more is cut off.
    const LARGEST: usize = wire::LARGEST;

    /// Puts the descriptor that came with the message where it belongs.
    fn attach(&mut self, _: OwnedFd) {}
}

impl Outbound for EncoderCommand {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Display(socket) => socket.as_ref().map(AsFd::as_fd),
            _ => None,
        }
    }
}

impl Inbound for EncoderCommand {
    fn attach(&mut self, descriptor: OwnedFd) {
        if let Self::Display(socket) = self {
            *socket = Some(descriptor);
        }
    }
}

impl Outbound for BrowserEvent {
    fn descriptor(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Display(socket) => socket.as_ref().map(AsFd::as_fd),
            _ => None,
        }
    }
}

impl Inbound for BrowserEvent {
    /// Addresses, titles and sentences, of which the worker cuts off what is too much.
    const LARGEST: usize = 64 * 1024;

    fn attach(&mut self, descriptor: OwnedFd) {
        if let Self::Display(socket) = self {
            *socket = Some(descriptor);
        }
    }
}

impl Outbound for EncoderEvent {}
impl Inbound for EncoderEvent {}
impl Outbound for BrowserCommand {}
impl Inbound for BrowserCommand {}

/// As bytes, with the protocol's version in front.
///
/// # Errors
/// A value that cannot be written; a bug of ours.
pub fn encode(message: &impl Outbound) -> io::Result<Vec<u8>> {
    postcard::to_stdvec(&(VERSION, message)).map_err(io::Error::other)
}

/// # Errors
/// The bytes are not such a message, or of another version of this program.
pub fn decode<M: Inbound>(message: Message) -> io::Result<M> {
    let invalid = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
    let (version, rest): (u32, _) =
        postcard::take_from_bytes(&message.bytes).map_err(|error| invalid(error.to_string()))?;
    if version != VERSION {
        return Err(invalid(format!("the peer speaks version {version}, not {VERSION}")));
    }
    let mut decoded: M = postcard::from_bytes(rest).map_err(|error| invalid(error.to_string()))?;
    if let Some(descriptor) = message.descriptor {
        decoded.attach(descriptor);
    }
    Ok(decoded)
}

/// The two tasks that serve a connection.
#[derive(Debug)]
pub struct Tasks<In> {
    /// Over when the peer has been told that no more comes.
    pub closing: JoinHandle<()>,
    /// Over when the peer has said its last. What it comes to holds [`Link::from_worker`] open for as
    /// long as it is kept.
    pub hearing: JoinHandle<mpsc::Sender<In>>,
}

/// Serves a connection from two tasks until either end is gone. `what` names the peer in the log.
///
/// # Errors
/// The socket cannot be watched.
pub fn serve<Out, In>(socket: OwnedFd, what: &'static str) -> io::Result<(Link<Out, In>, Tasks<In>)>
where
    Out: Outbound + Send + Sync + 'static,
    In: Inbound + Send + 'static,
{
    rustix::io::ioctl_fionbio(&socket, true)?;
    // SAFETY: an `OwnedFd` keeps the same descriptor open for as long as it lives.
    let socket =
        unsafe { AsyncFd::register_with_interest(socket, Interest::READABLE | Interest::WRITABLE) };
    let socket = Arc::new(socket.map_err(io::Error::from)?);
    let (to_worker, mut outgoing) = mpsc::channel::<Out>(COMMANDS);
    let (incoming, from_worker) = mpsc::channel(EVENTS);
    let hearing = tokio::spawn({
        let socket = Arc::clone(&socket);
        async move {
            let mut assembler = Assembler::new(In::LARGEST);
            loop {
                match receive(&socket, &mut assembler).await {
                    Ok(Some(message)) => {
                        if incoming.send(message).await.is_err() {
                            return incoming;
                        }
                    }
                    Ok(None) => return incoming,
                    Err(error) => {
                        tracing::warn!(%error, "giving up the connection to the {what}");
                        return incoming;
                    }
                }
            }
        }
    });
    let closing = tokio::spawn(async move {
        while let Some(message) = outgoing.recv().await {
            match tokio::time::timeout(SEND_LIMIT, send(&socket, &message)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    tracing::debug!(%error, "sending to the {what}");
                    break;
                }
                Err(_) => {
                    tracing::warn!("the {what} reads no commands, giving it up");
                    break;
                }
            }
        }
        // The peer reads the end and winds up; the reader hears it until it is gone. An error means
        // that it has gone already.
        let _ = rustix::net::shutdown(socket.get_ref(), Shutdown::Write);
    });
    Ok((Link { to_worker, from_worker }, Tasks { closing, hearing }))
}

async fn send(socket: &AsyncFd<OwnedFd>, message: &impl Outbound) -> io::Result<()> {
    let bytes = encode(message)?;
    let descriptor = message.descriptor();
    for (mark, bytes) in wire::datagrams(&bytes) {
        let descriptor = descriptor.filter(|_| mark == 0);
        socket
            .async_io(Interest::WRITABLE, |fd| wire::send(fd.as_fd(), (mark, bytes), descriptor))
            .await?;
    }
    Ok(())
}

async fn receive<In: Inbound>(
    socket: &AsyncFd<OwnedFd>,
    assembler: &mut Assembler,
) -> io::Result<Option<In>> {
    loop {
        let received =
            socket.async_io(Interest::READABLE, |fd| assembler.receive(fd.as_fd())).await?;
        match received {
            Received::Part => {}
            Received::Message(message) => return decode(message).map(Some),
            Received::End => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        media::{MediaTime, Packet},
        session::ports::PageFailure,
    };

    fn link<Out, In>(socket: OwnedFd) -> Link<Out, In>
    where
        Out: Outbound + Send + Sync + 'static,
        In: Inbound + Send + 'static,
    {
        serve(socket, "peer").unwrap().0
    }

    #[tokio::test]
    async fn packets_cross_in_order_and_whole() {
        let (a, b) = wire::pair().unwrap();
        let mut daemon: Link<EncoderCommand, EncoderEvent> = link(a);
        let worker: Link<EncoderEvent, EncoderCommand> = link(b);
        for second in 0..40_u64 {
            let data = vec![u8::try_from(second).unwrap(); 150_000].into();
            let time = MediaTime::from_ticks(second * 90_000);
            let packet = EncoderEvent::Packet(Packet { time, idr: true, data });
            worker.to_worker.send(packet).await.unwrap();
            let Some(EncoderEvent::Packet(packet)) = daemon.from_worker.recv().await else {
                panic!("not a packet");
            };
            assert_eq!(packet.time, time);
            assert_eq!(packet.data.len(), 150_000);
        }
    }

    #[tokio::test]
    async fn a_display_socket_crosses() {
        let (a, b) = wire::pair().unwrap();
        let daemon: Link<EncoderCommand, EncoderEvent> = link(a);
        let mut worker: Link<EncoderEvent, EncoderCommand> = link(b);
        let socket = wire::pair().unwrap().0;
        daemon.to_worker.send(EncoderCommand::Display(Some(socket))).await.unwrap();
        let received = worker.from_worker.recv().await;
        assert!(matches!(received, Some(EncoderCommand::Display(Some(_)))), "{received:?}");
    }

    #[tokio::test]
    async fn dropping_one_end_ends_the_other() {
        let (a, b) = wire::pair().unwrap();
        let mut daemon: Link<BrowserCommand, BrowserEvent> = link(a);
        let worker: Link<BrowserEvent, BrowserCommand> = link(b);
        drop(worker);
        assert!(daemon.from_worker.recv().await.is_none());
    }

    #[test]
    fn another_version_is_named() {
        let bytes = postcard::to_stdvec(&(VERSION + 1, BrowserCommand::Reload)).unwrap();
        let error = decode::<BrowserCommand>(Message { bytes, descriptor: None }).unwrap_err();
        assert!(error.to_string().contains(&format!("version {}", VERSION + 1)), "{error}");
    }

    #[test]
    fn failures_keep_their_facts() {
        let event = BrowserEvent::Failed(PageFailure::Http { status: 503 });
        let bytes = encode(&event).unwrap();
        let decoded = decode::<BrowserEvent>(Message { bytes, descriptor: None }).unwrap();
        assert!(matches!(decoded, BrowserEvent::Failed(PageFailure::Http { status: 503 })));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let message = |bytes| Message { bytes, descriptor: None };
            drop(decode::<EncoderEvent>(message(bytes.clone())));
            drop(decode::<BrowserEvent>(message([&[1], &bytes[..]].concat())));
            drop(decode::<EncoderCommand>(message([&[1], &bytes[..]].concat())));
            drop(decode::<BrowserCommand>(message([&[1], &bytes[..]].concat())));
        }
    }
}
