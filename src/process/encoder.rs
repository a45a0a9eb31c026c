//! The encoder worker: the browser's display, conversion and encoding of one session.
//!
//! Three threads: the compositor's, the encoding loop's, and this one, which reads commands. A driver of
//! a GPU gets one more for itself.
//!
//! One that is to prove that an encoder works has no display, and nothing to lose but itself.

use std::{
    io,
    os::{fd::OwnedFd, unix::net::UnixListener},
    sync::Arc,
    thread,
};

use crate::{
    encode::{self, Lineup, Output},
    error::sentence,
    media::{FrameClock, MediaTime, Packet, Screen, StreamInfo},
    render::{
        compositor::{self, Compositor},
        picture, slate,
    },
    session::{
        Encoding,
        ports::{EncoderCommand, EncoderEvent, EncoderSpec},
    },
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
    match commands.next()? {
        Some(EncoderCommand::Configure(spec, encodings)) => {
            produce(&daemon, &mut commands, &spec, encodings)
        }
        Some(EncoderCommand::Prove(encoding)) => prove(daemon, &mut commands, encoding),
        Some(other) => Err(io::Error::other(format!("{other:?} came first"))),
        None => Ok(()),
    }
}

/// Tries an encoding, for as long as the daemon waits for the answer.
fn prove(daemon: Daemon, commands: &mut Commands, encoding: Encoding) -> io::Result<()> {
    // It may never come back; this thread hears when the daemon has given it up.
    thread::Builder::new().name("proof".to_owned()).spawn(move || {
        daemon.tell(&EncoderEvent::Proven(encode::prove(&encoding)));
    })?;
    match commands.next()? {
        None => Ok(()),
        Some(other) => Err(io::Error::other(format!("{other:?} came during a proof"))),
    }
}

/// Makes a session's pictures.
fn produce(
    daemon: &Daemon,
    commands: &mut Commands,
    spec: &EncoderSpec,
    encodings: Vec<Encoding>,
) -> io::Result<()> {
    let lineup = Arc::new(Lineup::new(encodings));
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
            EncoderCommand::Configure(..) | EncoderCommand::Prove(_) => {
                return Err(io::Error::other("configured twice"));
            }
            EncoderCommand::Prefer(encodings) => {
                lineup.set(encodings);
                continue;
            }
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
            encoding = Some(start_encoding(daemon, spec, &screen, clock, &lineup)?);
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
    lineup: &Arc<Lineup>,
) -> io::Result<thread::JoinHandle<()>> {
    let (mut daemon, spec) = (daemon.clone(), spec.clone());
    let (screen, lineup) = (Arc::clone(screen), Arc::clone(lineup));
    thread::Builder::new().name("encoder".to_owned()).spawn(move || {
        let result = encode::run(&lineup, &spec, &screen, clock, &mut daemon);
        if let Err(error) = result {
            daemon.tell(&EncoderEvent::Failed(sentence(&error)));
        }
    })
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
    fn trying(&mut self, encoding: &Encoding) {
        self.tell(&EncoderEvent::Trying(encoding.clone()));
    }

    fn lost(&mut self, encoding: &Encoding, hung: bool, why: String) {
        self.tell(&EncoderEvent::Lost { encoding: encoding.clone(), hung, why });
    }

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
