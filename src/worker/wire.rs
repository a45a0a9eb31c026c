//! Messages with descriptors over a `SOCK_SEQPACKET` socket.
//!
//! A message is cut into datagrams of at most [`DATAGRAM`] bytes, each with one byte in front: 1 when
//! more follow, 0 on the last. Datagrams keep their borders, so a reader that takes over a connection
//! finds its place again. A descriptor travels with the last datagram, at most one to a message.

use std::{
    io::{self, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, PoisonError},
};

use rustix::{
    io::Errno,
    net::{
        AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
    },
};

/// Well below the kernel's default send buffer, so that a few fit.
const DATAGRAM: usize = 64 * 1024;
/// The largest message: a lossless picture of 1920×1080 is smaller. A peer that sends more is cut off.
pub const LARGEST: usize = 16 * 1024 * 1024;

const LAST: u8 = 0;
const MORE: u8 = 1;

/// Two connected ends.
///
/// # Errors
/// The kernel has no descriptors left.
pub fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?)
}

/// The datagrams of one message, in order.
pub fn datagrams(message: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    let last = message.len().saturating_sub(1) / (DATAGRAM - 1);
    (0..=last).map(move |i| {
        let from = i * (DATAGRAM - 1);
        let to = (from + DATAGRAM - 1).min(message.len());
        (if i == last { LAST } else { MORE }, &message[from..to])
    })
}

/// Sends one datagram; with a non-blocking socket it may say `WouldBlock`.
///
/// # Errors
/// The other end is gone (`EPIPE`, `ECONNRESET`) or the kernel refused.
pub fn send(
    socket: BorrowedFd<'_>,
    (mark, bytes): (u8, &[u8]),
    descriptor: Option<BorrowedFd<'_>>,
) -> io::Result<()> {
    let mark = [mark];
    let parts = [IoSlice::new(&mark), IoSlice::new(bytes)];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors;
    if let Some(descriptor) = descriptor {
        descriptors = [descriptor];
        // There is room for one; it is the only one.
        let fits = ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
        debug_assert!(fits);
    }
    loop {
        match sendmsg(socket, &parts, &mut ancillary, SendFlags::NOSIGNAL) {
            Ok(_) => return Ok(()),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Puts datagrams together again.
#[derive(Debug)]
pub struct Assembler {
    largest: usize,
    datagram: Vec<u8>,
    message: Vec<u8>,
    descriptor: Option<OwnedFd>,
}

/// A whole message.
#[derive(Debug)]
pub struct Message {
    pub bytes: Vec<u8>,
    pub descriptor: Option<OwnedFd>,
}

impl Default for Assembler {
    fn default() -> Self {
        Self::new(LARGEST)
    }
}

/// What one datagram brought.
#[derive(Debug)]
pub enum Received {
    /// Part of a message; there is more to come.
    Part,
    Message(Message),
    /// The other end is gone.
    End,
}

impl Assembler {
    /// Of messages of that many bytes at most.
    pub fn new(largest: usize) -> Self {
        Self { largest, datagram: vec![0; DATAGRAM], message: Vec::new(), descriptor: None }
    }

    /// Receives one datagram; with a non-blocking socket it may say `WouldBlock`.
    ///
    /// # Errors
    /// The kernel refused, or the peer breaks the protocol (`InvalidData`).
    pub fn receive(&mut self, socket: BorrowedFd<'_>) -> io::Result<Received> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut self.datagram)];
            match recvmsg(socket, &mut parts, &mut ancillary, RecvFlags::CMSG_CLOEXEC) {
                Ok(received) => break received,
                Err(Errno::INTR) => {}
                Err(Errno::CONNRESET) => return Ok(Received::End),
                Err(error) => return Err(error.into()),
            }
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                // A descriptor beyond the one we keep is closed here.
                self.descriptor = descriptors.into_iter().next();
            }
        }
        let Some((&mark, bytes)) = self.datagram[..received.bytes].split_first() else {
            return Ok(Received::End);
        };
        if self.message.len() + bytes.len() > self.largest {
            return Err(invalid("a message is too long"));
        }
        self.message.extend_from_slice(bytes);
        match mark {
            MORE => Ok(Received::Part),
            LAST => Ok(Received::Message(Message {
                bytes: std::mem::take(&mut self.message),
                descriptor: self.descriptor.take(),
            })),
            _ => Err(invalid("a datagram has an unknown mark")),
        }
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}

/// A connection for threads: sends and receives block.
#[derive(Debug)]
pub struct Blocking<S> {
    socket: S,
    /// A message's datagrams must not mix with those of another thread's message.
    sending: Mutex<()>,
}

impl<S: AsFd> Blocking<S> {
    pub const fn new(socket: S) -> Self {
        Self { socket, sending: Mutex::new(()) }
    }

    /// # Errors
    /// The other end is gone, or the kernel refused.
    pub fn send(&self, message: &[u8], descriptor: Option<BorrowedFd<'_>>) -> io::Result<()> {
        // The lock guards no data that a panic could leave half done.
        let sending = self.sending.lock().unwrap_or_else(PoisonError::into_inner);
        for (mark, bytes) in datagrams(message) {
            let descriptor = descriptor.filter(|_| mark == LAST);
            send(self.socket.as_fd(), (mark, bytes), descriptor)?;
        }
        drop(sending);
        Ok(())
    }

    /// The next message, `None` at the end.
    ///
    /// # Errors
    /// The peer breaks the protocol, or the kernel refused.
    pub fn receive(&self, assembler: &mut Assembler) -> io::Result<Option<Message>> {
        loop {
            match assembler.receive(self.socket.as_fd())? {
                Received::Part => {}
                Received::Message(message) => return Ok(Some(message)),
                Received::End => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs::File, io::Read};

    use proptest::prelude::*;

    use super::*;

    fn echo(message: &[u8]) -> Message {
        let (a, b) = pair().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(|| Blocking::new(a).send(message, None).unwrap());
            Blocking::new(b).receive(&mut Assembler::default()).unwrap().unwrap()
        })
    }

    #[test]
    fn a_descriptor_arrives_with_its_message() {
        let (a, b) = pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        std::io::Write::write_all(&mut file, b"hello").unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        Blocking::new(&a).send(b"take this", Some(file.as_fd())).unwrap();
        let message = Blocking::new(&b).receive(&mut Assembler::default()).unwrap().unwrap();
        assert_eq!(message.bytes, b"take this");
        let mut text = String::new();
        File::from(message.descriptor.unwrap()).read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }

    #[test]
    fn the_end_of_the_other_side_is_the_end() {
        let (a, b) = pair().unwrap();
        drop(a);
        assert!(Blocking::new(b).receive(&mut Assembler::default()).unwrap().is_none());
    }

    #[test]
    fn messages_of_two_threads_do_not_mix() {
        let (a, b) = pair().unwrap();
        let (a, b) = (Blocking::new(a), Blocking::new(b));
        std::thread::scope(|scope| {
            for value in [1_u8, 2] {
                let a = &a;
                scope.spawn(move || {
                    for _ in 0..50 {
                        a.send(&vec![value; 200_000], None).unwrap();
                    }
                });
            }
            let mut assembler = Assembler::default();
            for _ in 0..100 {
                let message = b.receive(&mut assembler).unwrap().unwrap().bytes;
                assert_eq!(message.len(), 200_000);
                assert!(message.iter().all(|byte| *byte == message[0]));
            }
        });
    }

    #[test]
    fn an_endless_message_is_cut_off() {
        let (a, b) = pair().unwrap();
        std::thread::scope(|scope| {
            scope.spawn(move || {
                let bytes = vec![0; DATAGRAM - 1];
                // Ends when the reader gives up and closes its end.
                while send(a.as_fd(), (MORE, &bytes), None).is_ok() {}
            });
            let error = Blocking::new(b).receive(&mut Assembler::default()).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        });
    }

    #[test]
    fn an_unknown_mark_is_an_error() {
        let (a, b) = pair().unwrap();
        send(a.as_fd(), (7, b"x"), None).unwrap();
        assert!(Blocking::new(b).receive(&mut Assembler::default()).is_err());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn messages_of_any_length_come_out_as_they_went_in(
            length in prop_oneof![0_usize..10, 65_500_usize..65_600, 131_000_usize..131_200],
        ) {
            let message: Vec<u8> = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
            prop_assert_eq!(echo(&message).bytes, message);
        }
    }
}
