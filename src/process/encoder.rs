//! The encoder worker: the browser's display, conversion and encoding of one session.
//!
//! Three threads: the compositor's, the encoding loop's, and this one, which reads commands.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixListener},
    sync::Arc,
    thread,
};

use crate::{
    encode::{self, BACKENDS, EncodeError, Encoder, Output},
    media::{FrameClock, MediaTime, Packet, Screen, StreamInfo},
    render::{
        compositor::{self, Compositor},
        picture, slate,
    },
    session::ports::{EncoderCommand, EncoderEvent, EncoderSpec},
    systemd::{self, Watchdog},
    worker::{self, wire},
};

/// Runs until the daemon closes the connection.
///
/// # Errors
/// There is no connection, or it broke.
pub fn run() -> io::Result<()> {
    let connection = Arc::new(wire::Blocking::new(super::connection()?));
    let daemon = Daemon { connection, watchdog: Watchdog::of_this_process() };
    let mut commands = Commands { daemon: daemon.clone(), assembler: wire::Assembler::default() };
    systemd::ready();
    let spec = match commands.next()? {
        Some(EncoderCommand::Configure(spec)) => spec,
        Some(other) => return Err(io::Error::other(format!("{other:?} came first"))),
        None => return Ok(()),
    };
    let screen = Arc::new(Screen::new(spec.size));
    let clock = FrameClock::new(MediaTime::now(), spec.frame_rate);
    let to_daemon = daemon.clone();
    let compositor = Compositor::start(Arc::clone(&screen), clock, move |event| match event {
        compositor::Event::PageVisible => to_daemon.tell(&EncoderEvent::PageVisible),
    })
    .map_err(io::Error::other)?;
    // The first command after the specification says what to show. Until it is done there is
    // nothing to encode, and the first picture should be worth something.
    let mut encoding = None;
    while let Some(command) = commands.next()? {
        match command {
            EncoderCommand::Configure(_) => return Err(io::Error::other("configured twice")),
            EncoderCommand::Display(socket) => {
                if let Some(socket) = socket {
                    compositor.listen(UnixListener::from(socket));
                }
            }
            EncoderCommand::Show(None) => screen.show_slate(None),
            EncoderCommand::Show(Some(message)) => {
                screen.show_slate(Some(slate::draw(&message, spec.size)));
            }
            EncoderCommand::TakePicture => match picture::png(&screen.picture(), spec.size) {
                Ok(png) => daemon.tell(&EncoderEvent::Picture(png.into())),
                Err(error) => tracing::warn!(%error, "taking a picture"),
            },
        }
        if encoding.is_none() {
            encoding = Some(start_encoding(&daemon, &spec, &screen, clock)?);
        }
    }
    screen.close();
    drop(compositor);
    if let Some(encoding) = encoding
        && encoding.join().is_err()
    {
        return Err(io::Error::other("the encoding thread panicked"));
    }
    Ok(())
}

fn start_encoding(
    daemon: &Daemon,
    spec: &EncoderSpec,
    screen: &Arc<Screen>,
    clock: FrameClock,
) -> io::Result<thread::JoinHandle<()>> {
    let (mut daemon, spec, screen) = (daemon.clone(), spec.clone(), Arc::clone(screen));
    thread::Builder::new().name("encoder".to_owned()).spawn(move || {
        let result = open(&spec)
            .and_then(|encoder| encode::run(encoder, &spec, &screen, clock, &mut daemon));
        if let Err(error) = result {
            daemon.tell(&EncoderEvent::Failed(error.to_string()));
        }
    })
}

/// The first backend that opens.
fn open(spec: &EncoderSpec) -> Result<Encoder, EncodeError> {
    let mut failure = None;
    for backend in BACKENDS {
        match Encoder::open(backend, spec) {
            Ok(encoder) => return Ok(encoder),
            Err(error) => failure = Some(error),
        }
    }
    Err(failure.unwrap_or(EncodeError::Missing("for H.264")))
}

/// The daemon, as the threads of this process talk to it.
#[derive(Clone)]
struct Daemon {
    connection: Arc<wire::Blocking<OwnedFd>>,
    watchdog: Option<Watchdog>,
}

impl Daemon {
    /// Sends an event. When the daemon has gone there is nobody to tell, and the command loop has
    /// read the end of the connection, or is about to.
    fn tell(&self, event: &EncoderEvent) {
        let sent = worker::encode(event).and_then(|message| self.connection.send(&message, None));
        if let Err(error) = sent {
            tracing::debug!(%error, "the daemon does not listen");
        }
    }
}

impl Output for Daemon {
    fn opened(&mut self, info: StreamInfo) {
        self.tell(&EncoderEvent::Opened(info));
    }

    fn packet(&mut self, packet: Packet) {
        self.tell(&EncoderEvent::Packet(packet));
    }

    fn segment_end(&mut self, at: MediaTime) {
        self.tell(&EncoderEvent::SegmentEnd { at });
        // This comes once a second whatever the page does, from the thread that a GPU can hang.
        if let Some(watchdog) = self.watchdog {
            watchdog.feed();
        }
    }
}

struct Commands {
    daemon: Daemon,
    assembler: wire::Assembler,
}

impl Commands {
    /// The next command; `None` when the daemon has closed the connection.
    fn next(&mut self) -> io::Result<Option<EncoderCommand>> {
        let message = self.daemon.connection.receive(&mut self.assembler)?;
        message.map(worker::decode).transpose()
    }
}
