//! The display that Chromium draws on: a Wayland compositor with one screen, no input and no output
//! but a [`Screen`] in memory.
//!
//! It runs in a thread of its own behind [`Compositor`]. Being the browser's display means that
//! nothing is ever copied off a screen: each commit brings a buffer and says what changed in it, and
//! when nothing changes nothing arrives.

mod draw;
mod handlers;
mod rhythm;
mod scene;
mod state;

use std::{io, os::unix::net::UnixListener, sync::Arc, thread, time::Duration};

use smithay::reexports::{
    calloop::{self, EventLoop, Interest, LoopHandle, Mode, PostAction, channel, generic::Generic},
    wayland_server::Display,
};
use thiserror::Error;

use self::{handlers::ClientState, state::State};
use crate::media::{FrameClock, MediaTime, Screen};

/// What the compositor tells its owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A browser put its first picture on the screen.
    PageVisible,
}

/// Why there is no compositor.
#[derive(Debug, Error)]
pub enum CompositorError {
    /// The kernel refused a thread, an epoll descriptor or the like.
    #[error("starting the compositor")]
    Start(#[source] io::Error),
    /// libwayland's side could not be set up.
    #[error("creating the Wayland display: {0}")]
    Display(String),
}

#[derive(Debug)]
enum Command {
    Listen(UnixListener),
    Quit,
}

/// A running compositor. Dropping it ends the thread and disconnects every client.
#[derive(Debug)]
pub struct Compositor {
    to_compositor: channel::Sender<Command>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Compositor {
    /// Starts the compositor's thread, drawing on `screen` and asking for frames on `clock`'s grid.
    /// `to_owner` is called from that thread and must not block for long.
    ///
    /// # Errors
    /// The kernel or libwayland refused; nothing runs then.
    pub fn start(
        screen: Arc<Screen>,
        clock: FrameClock,
        to_owner: impl Fn(Event) + Send + 'static,
    ) -> Result<Self, CompositorError> {
        let (to_compositor, commands) = channel::channel();
        let display =
            Display::new().map_err(|error| CompositorError::Display(error.to_string()))?;
        let (to_starter, started) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new()
            .name("compositor".to_owned())
            .spawn(move || {
                let state = State::new(&display.handle(), screen, clock, Box::new(to_owner));
                match Loop::prepare(display, state, commands) {
                    Ok(event_loop) => {
                        // The starter waits for this; it cannot have gone.
                        drop(to_starter.send(Ok(())));
                        event_loop.run();
                    }
                    Err(error) => drop(to_starter.send(Err(error))),
                }
            })
            .map_err(CompositorError::Start)?;
        let compositor = Self { to_compositor, thread: Some(thread) };
        match started.recv() {
            Ok(Ok(())) => Ok(compositor),
            Ok(Err(error)) => Err(CompositorError::Start(error)),
            Err(_) => Err(CompositorError::Start(io::Error::other("the thread ended at once"))),
        }
    }

    /// Accepts clients on this listening socket, in place of the one before.
    pub fn listen(&self, listener: UnixListener) {
        // A compositor that has ended cannot listen; its owner learns of the end from the screen.
        drop(self.to_compositor.send(Command::Listen(listener)));
    }
}

impl Drop for Compositor {
    fn drop(&mut self) {
        drop(self.to_compositor.send(Command::Quit));
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the compositor's thread panicked");
        }
    }
}

struct Loop {
    event_loop: EventLoop<'static, Running>,
    running: Running,
}

struct Running {
    state: State,
    handle: LoopHandle<'static, Self>,
    listening: Option<calloop::RegistrationToken>,
    quit: bool,
}

impl Loop {
    fn prepare(
        display: Display<State>,
        state: State,
        commands: channel::Channel<Command>,
    ) -> io::Result<Self> {
        let event_loop = EventLoop::try_new().map_err(io::Error::other)?;
        let handle: LoopHandle<'static, Running> = event_loop.handle();
        handle
            .insert_source(commands, |event, (), running| match event {
                channel::Event::Msg(Command::Listen(listener)) => running.listen(listener),
                channel::Event::Msg(Command::Quit) | channel::Event::Closed => running.quit = true,
            })
            .map_err(|error| io::Error::other(error.error))?;
        handle
            .insert_source(
                Generic::new(display, Interest::READ, Mode::Level),
                |_, display, running| {
                    // SAFETY: the display is not dropped while the loop owns it.
                    let display = unsafe { display.get_mut() };
                    display.dispatch_clients(&mut running.state)?;
                    Ok(PostAction::Continue)
                },
            )
            .map_err(|error| io::Error::other(error.error))?;
        let running = Running { state, handle, listening: None, quit: false };
        Ok(Self { event_loop, running })
    }

    fn run(mut self) {
        while !self.running.quit {
            let due = self.running.state.frame_due();
            let patience = due.map(|due| Duration::from(due.since(MediaTime::now())));
            if let Err(error) = self.event_loop.dispatch(patience, &mut self.running) {
                tracing::error!(%error, "the compositor's loop failed");
                return;
            }
            let now = MediaTime::now();
            let state = &mut self.running.state;
            state.draw();
            if state.frame_due().is_some_and(|due| due <= now) {
                state.send_frames(now);
            }
            if let Err(error) = state.display().clone().flush_clients() {
                tracing::debug!(%error, "sending to the browser");
            }
        }
    }
}

impl Running {
    fn listen(&mut self, listener: UnixListener) {
        if let Some(token) = self.listening.take() {
            self.handle.remove(token);
        }
        if let Err(error) = listener.set_nonblocking(true) {
            tracing::warn!(%error, "the browser's display socket cannot be used, ignoring");
            return;
        }
        let source = Generic::new(listener, Interest::READ, Mode::Level);
        let token = self.handle.insert_source(source, |_, listener, running| {
            match listener.accept() {
                Ok((stream, _)) => {
                    let client = Arc::new(ClientState::default());
                    if let Err(error) =
                        running.state.display().clone().insert_client(stream, client)
                    {
                        tracing::warn!(%error, "the browser could not join the display");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => tracing::warn!(%error, "accepting the browser on the display"),
            }
            Ok(PostAction::Continue)
        });
        match token {
            Ok(token) => self.listening = Some(token),
            Err(error) => tracing::warn!(%error, "watching the browser's display socket"),
        }
    }
}
