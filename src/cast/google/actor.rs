//! The task that owns one connection: it moves bytes between the socket and the [`Conversation`],
//! and commands and events between that and the core.

use std::{io, mem, time::Duration};

use bytes::BytesMut;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf},
    sync::{mpsc, watch},
    time::{Instant, sleep_until, timeout_at},
};

use super::{Lost, Timing, conversation::Conversation, framing::Frames};
use crate::session::tv::{TvCommand, TvEvent};

/// What is read from the socket at once; TLS gives no more than this either.
const CHUNK: usize = 16 * 1024;
/// Once the core has closed the link, the TV has this long to carry out what it was told last.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// As long as this when it is starting a player that nobody wants any more; TVs that sleep are slow.
const LAST_LAUNCH: Duration = Duration::from_secs(10);

pub(super) struct Actor<S> {
    reading: ReadHalf<S>,
    writing: WriteHalf<S>,
    /// Something was written that may still lie in a buffer of TLS.
    unflushed: bool,
    frames: Frames,
    conversation: Conversation,
    commands: mpsc::Receiver<TvCommand>,
    /// The core has closed the link.
    closing: bool,
    events: mpsc::Sender<TvEvent>,
    /// What the TV said last of being in standby.
    standby: watch::Sender<Option<bool>>,
}

/// What woke the actor.
enum Wake {
    Read(io::Result<usize>),
    Written(io::Result<usize>),
    Flushed(io::Result<()>),
    Command(Option<TvCommand>),
    /// The core took an event.
    Taken,
    /// The core takes no more.
    Unwanted,
    Deadline,
}

impl<S: AsyncRead + AsyncWrite> Actor<S> {
    pub(super) fn new(
        socket: S,
        timing: Timing,
        commands: mpsc::Receiver<TvCommand>,
        events: mpsc::Sender<TvEvent>,
        standby: watch::Sender<Option<bool>>,
    ) -> Self {
        let (reading, writing) = tokio::io::split(socket);
        Self {
            reading,
            writing,
            unflushed: false,
            frames: Frames::default(),
            conversation: Conversation::new(timing, Instant::now()),
            commands,
            closing: false,
            events,
            standby,
        }
    }

    /// Talks until the TV has said what runs on it.
    ///
    /// # Errors
    /// It did not, or not in time.
    pub(super) async fn begin(&mut self) -> Result<(), Lost> {
        while !self.conversation.has_begun() && !self.closing {
            self.step().await?;
        }
        Ok(())
    }

    /// Talks until the core closes the link.
    ///
    /// # Errors
    /// The connection ended before.
    pub(super) async fn run(mut self) -> Result<(), Lost> {
        while !self.closing {
            self.step().await?;
        }
        // What was told last, such as "stop", is worth a moment. No CLOSE: a player that its last
        // sender leaves with that word ends, one whose sender just goes plays on.
        let limit = match self.conversation.awaits_unwanted() {
            true => LAST_LAUNCH,
            false => LAST_WORDS,
        };
        let end = Instant::now() + limit;
        while self.conversation.is_acting() {
            match timeout_at(end, self.step()).await {
                Ok(step) => step?,
                Err(_) => break,
            }
        }
        drop(timeout_at(end, self.writing.shutdown()).await);
        Ok(())
    }

    /// Waits for one thing to happen and deals with it.
    async fn step(&mut self) -> Result<(), Lost> {
        match self.wake().await {
            Wake::Read(Ok(0)) => return Err(Lost::Closed),
            Wake::Read(Ok(_)) => {
                self.conversation.heard(Instant::now());
                self.read_out()?;
            }
            Wake::Written(Ok(0)) => return Err(Lost::Closed),
            Wake::Written(Ok(_)) => {
                self.unflushed = true;
                self.read_out()?;
            }
            Wake::Flushed(Ok(())) => self.unflushed = false,
            // TVs are switched off in the middle of a TLS record.
            Wake::Read(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(Lost::Closed);
            }
            Wake::Read(Err(error)) => return Err(Lost::Reading(error)),
            Wake::Written(Err(error)) | Wake::Flushed(Err(error)) => {
                return Err(Lost::Writing(error));
            }
            Wake::Command(Some(command)) => {
                self.conversation.command(Instant::now(), command)?;
            }
            Wake::Command(None) => self.closing = true,
            Wake::Taken => {}
            Wake::Unwanted => {
                self.closing = true;
                self.conversation.outbox.clear();
            }
            Wake::Deadline => self.conversation.tick(Instant::now())?,
        }
        Ok(())
    }

    /// Deals with what is there as far as the answers have room.
    fn read_out(&mut self) -> Result<(), Lost> {
        let now = Instant::now();
        while self.conversation.has_room() {
            match self.frames.next()? {
                Some(frame) => self.conversation.frame(now, frame)?,
                None => break,
            }
        }
        let now = self.conversation.standby();
        self.standby.send_if_modified(|standby| mem::replace(standby, now) != now);
        Ok(())
    }

    /// Each of these may be dropped half done without losing anything.
    async fn wake(&mut self) -> Wake {
        let deadline = self.conversation.deadline();
        let has_room = self.conversation.has_room();
        let buffer = self.frames.buffer();
        buffer.reserve(CHUNK);
        let Conversation { outgoing, outbox, .. } = &mut self.conversation;
        let (unsent, untaken) = (!outgoing.is_empty(), !outbox.is_empty());
        tokio::select! {
            read = self.reading.read_buf(buffer), if has_room => Wake::Read(read),
            wake = write(&mut self.writing, outgoing), if unsent || self.unflushed => wake,
            command = self.commands.recv(), if !self.closing => Wake::Command(command),
            room = self.events.reserve(), if untaken => match room {
                Ok(room) => {
                    if let Some(event) = outbox.pop() {
                        room.send(event);
                    }
                    Wake::Taken
                }
                Err(_) => Wake::Unwanted,
            },
            () = sleep_until(deadline) => Wake::Deadline,
        }
    }
}

async fn write(socket: &mut (impl AsyncWrite + Unpin), bytes: &mut BytesMut) -> Wake {
    if bytes.is_empty() {
        Wake::Flushed(socket.flush().await)
    } else {
        Wake::Written(socket.write_buf(bytes).await)
    }
}
