//! The conversation with one TV, as a pure machine: messages, commands and the time in; bytes and
//! events out. No socket, no clock.

use bytes::{Bytes, BytesMut};
use prost::Message as _;
use serde_json::Value;
use tokio::time::Instant;

use super::{
    Lost, Timing, failure, framing,
    json::{LONGEST_TEXT, clip, text},
    media,
    message::{CONNECTION, CastMessage, HEARTBEAT, MEDIA, PLATFORM, RECEIVER},
    outbox::Outbox,
    platform::{self, Permission},
    player::Player,
    requests::{Request, Requests},
};
use crate::session::tv::{Load, ReceiverView, TvCommand, TvEvent};

mod playing;

/// Bytes that wait to be sent, beyond which nothing more is taken from the TV: each of its messages
/// may cause one of ours, and a TV that does not read shall not pile them up.
const ROOM: usize = 64 * 1024;

pub(super) struct Conversation {
    timing: Timing,
    requests: Requests,
    /// Whole frames, and the rest of one that is half sent.
    pub(super) outgoing: BytesMut,
    pub(super) outbox: Outbox,
    heard_at: Instant,
    ping_at: Instant,
    /// When to ask what runs on the TV.
    look_at: Option<Instant>,
    /// What was last told to the core.
    receiver: Option<ReceiverView>,
    player: Option<Player>,
    /// The player is on its way, and is to end when it is there.
    unwanted: bool,
}

impl Conversation {
    pub(super) fn new(timing: Timing, now: Instant) -> Self {
        let mut this = Self {
            timing,
            requests: Requests::default(),
            outgoing: BytesMut::new(),
            outbox: Outbox::default(),
            heard_at: now,
            ping_at: now + timing.ping,
            look_at: None,
            receiver: None,
            player: None,
            unwanted: false,
        };
        // A TV does not answer whom it is not connected to.
        this.send(PLATFORM, CONNECTION, &platform::connect());
        this.look(now);
        this
    }

    /// Whether the TV has said what runs on it.
    pub(super) const fn has_begun(&self) -> bool {
        self.receiver.is_some()
    }

    /// What the TV said last of being in standby.
    pub(super) fn standby(&self) -> Option<bool> {
        self.receiver.as_ref().and_then(|view| view.standby)
    }

    /// Whether more may be taken from the TV.
    pub(super) fn has_room(&self) -> bool {
        self.outgoing.len() < ROOM
    }

    /// Whether the TV has yet to carry out something that it was told.
    pub(super) fn is_acting(&self) -> bool {
        let acting = |request: &Request| {
            matches!(request, Request::Play | Request::Stop | Request::SetVolume)
        };
        !self.outgoing.is_empty() || self.requests.find(acting).is_some() || self.awaits_unwanted()
    }

    /// Whether the player is on its way, only to be ended.
    pub(super) fn awaits_unwanted(&self) -> bool {
        self.unwanted && self.requests.find(is_launch).is_some()
    }

    /// Any byte is a sign of life.
    pub(super) const fn heard(&mut self, now: Instant) {
        self.heard_at = now;
    }

    /// When to call [`Self::tick`] at the latest.
    pub(super) fn deadline(&self) -> Instant {
        let poll = self.player.as_ref().and_then(|player| player.poll_at);
        let fixed = self.ping_at.min(self.heard_at + self.timing.silence);
        [self.look_at, poll, self.requests.deadline()].into_iter().flatten().fold(fixed, Ord::min)
    }

    /// # Errors
    /// The connection is of no more use.
    pub(super) fn tick(&mut self, now: Instant) -> Result<(), Lost> {
        if self.heard_at + self.timing.silence <= now {
            return Err(Lost::Silent(self.timing.silence));
        }
        if self.ping_at <= now {
            self.send(PLATFORM, HEARTBEAT, &platform::ping());
            self.ping_at = now + self.timing.ping;
        }
        while let Some(request) = self.requests.take_expired(now) {
            self.expired(now, request)?;
        }
        if self.look_at.is_some_and(|at| at <= now) {
            self.look(now);
        }
        if let Some(player) = &mut self.player
            && player.poll_at.is_some_and(|at| at <= now)
        {
            player.poll_at = None;
            self.poll(now);
        }
        Ok(())
    }

    /// What the TV sent. Rubbish in a whole frame is passed over: the frames after it are whole too.
    ///
    /// # Errors
    /// The connection is of no more use.
    pub(super) fn frame(&mut self, now: Instant, frame: Bytes) -> Result<(), Lost> {
        let message = match CastMessage::parse(frame) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "ignoring a frame without a message");
                return Ok(());
            }
        };
        let (source, namespace) = (message.source_id.as_str(), message.namespace.as_str());
        let Some(Ok(body)) = message.text().map(serde_json::from_str::<Value>) else {
            tracing::debug!(namespace = clip(namespace), "ignoring a message that is no JSON");
            return Ok(());
        };
        let kind = platform::kind(&body).unwrap_or_default();
        match (namespace, kind) {
            (CONNECTION, "CLOSE") if source == PLATFORM => return Err(Lost::Dismissed),
            (CONNECTION, "CLOSE") if self.talks_to(source) => self.player_closed(now),
            (HEARTBEAT, "PING") if source.len() <= LONGEST_TEXT => {
                self.send(source, HEARTBEAT, &platform::pong());
            }
            (RECEIVER, _) if source == PLATFORM => return self.platform_said(now, kind, &body),
            (MEDIA, _) if self.talks_to(source) => self.player_said(now, kind, &body),
            _ => tracing::trace!(
                namespace = clip(namespace),
                kind = clip(kind),
                "no concern of ours"
            ),
        }
        Ok(())
    }

    /// # Errors
    /// The connection is of no more use.
    pub(super) fn command(&mut self, now: Instant, command: TvCommand) -> Result<(), Lost> {
        if self.outgoing.len() > 2 * ROOM {
            return Err(Lost::Deaf);
        }
        match command {
            TvCommand::Launch => self.launch(now, false),
            TvCommand::Load(load) => self.load(now, &load),
            TvCommand::Play => self.play(now),
            TvCommand::Stop => self.stop(now),
            TvCommand::SetVolume(level) if level.is_finite() => {
                let id = self.requests.open(Request::SetVolume, now + self.timing.request);
                let body = platform::set_volume(id, level.clamp(0.0, 1.0));
                self.send(PLATFORM, RECEIVER, &body);
            }
            TvCommand::SetVolume(level) => tracing::debug!(level, "ignoring a volume"),
        }
        Ok(())
    }

    fn send(&mut self, to: &str, namespace: &str, body: &Value) {
        let message = CastMessage::new(to, namespace, body).encode_to_vec();
        if let Err(error) = framing::append(&message, &mut self.outgoing) {
            // Not answered, it fails when its time is over.
            tracing::error!(%error, namespace, "a message of ours does not fit");
        }
    }

    fn look(&mut self, now: Instant) {
        self.look_at = None;
        let id = self.requests.open(Request::Look, now + self.timing.request);
        self.send(PLATFORM, RECEIVER, &platform::get_status(id));
    }

    fn poll(&mut self, now: Instant) {
        let Some(transport) = self.open_player().map(|player| player.transport.clone()) else {
            return;
        };
        let id = self.requests.open(Request::Poll, now + self.timing.request);
        self.send(&transport, MEDIA, &platform::get_status(id));
    }

    fn launch(&mut self, now: Instant, again: bool) {
        let before = self.player.as_ref().map(|player| player.session.clone());
        let request = Request::Launch { again, before };
        self.unwanted = false;
        let id = self.requests.open(request, now + self.timing.launch);
        self.send(PLATFORM, RECEIVER, &platform::launch(id));
    }

    fn load(&mut self, now: Instant, load: &Load) {
        let Some(player) = self.open_player() else {
            let why = "the player does not run on the TV, so it cannot load the stream";
            self.outbox.push(TvEvent::LoadFailed(why.to_owned()));
            return;
        };
        let (transport, session) = (player.transport.clone(), player.session.clone());
        let before = player.loaded.media_session;
        let request = Request::Load { url: load.url.to_string(), before, error: None };
        let id = self.requests.open(request, now + self.timing.request);
        self.send(&transport, MEDIA, &media::load(id, &session, load));
    }

    fn play(&mut self, now: Instant) {
        let Some(player) = self.open_player() else {
            tracing::debug!("no player to go on");
            return;
        };
        let Some(media_session) = player.loaded.media_session else {
            tracing::debug!("nothing loaded to go on with");
            return;
        };
        let transport = player.transport.clone();
        let id = self.requests.open(Request::Play, now + self.timing.request);
        self.send(&transport, MEDIA, &media::play(id, media_session));
    }

    /// Only ever the player: what others started is not ours to end. One that is on its way has no run yet
    /// that could be ended.
    fn stop(&mut self, now: Instant) {
        self.unwanted = self.requests.find(is_launch).is_some();
        if self.unwanted {
            return;
        }
        let Some(session) = self.player.as_ref().map(|player| player.session.clone()) else {
            tracing::debug!("no player to stop");
            return;
        };
        let id = self.requests.open(Request::Stop, now + self.timing.request);
        self.send(PLATFORM, RECEIVER, &platform::stop(id, &session));
    }

    fn expired(&mut self, now: Instant, request: Request) -> Result<(), Lost> {
        match request {
            Request::Look => return Err(Lost::NoStatus(self.timing.request)),
            Request::Launch { .. } => self.outbox.push(TvEvent::LaunchFailed(format!(
                "the TV did not start the player within {:?}",
                self.timing.launch
            ))),
            Request::Load { error, .. } => {
                let limit = self.timing.request;
                let error = error.map(|error| format!("; its player said {error}"));
                self.outbox.push(TvEvent::LoadFailed(format!(
                    "the TV did not load the stream within {limit:?}{}",
                    error.unwrap_or_default()
                )));
            }
            // It may answer the next one; what the core misses meanwhile are the positions.
            Request::Poll => self.schedule_poll(now),
            Request::Play | Request::Stop | Request::SetVolume => {
                tracing::debug!(?request, "not answered");
            }
        }
        Ok(())
    }

    fn platform_said(&mut self, now: Instant, kind: &str, body: &Value) -> Result<(), Lost> {
        let request = platform::request(body);
        match kind {
            "RECEIVER_STATUS" => match platform::status(body) {
                Some(status) => self.receiver_status(now, request, status),
                None => tracing::debug!("ignoring a receiver status without status"),
            },
            "LAUNCH_STATUS" => {
                if let (launch, Some(permission)) = platform::permission(body) {
                    self.permission(now, launch, permission);
                }
            }
            "LAUNCH_ERROR" => {
                let reason = text(body, "reason").unwrap_or_else(|| "no reason given".to_owned());
                self.launch_error(now, request, &reason);
            }
            "INVALID_REQUEST" => {
                let reason = text(body, "reason").unwrap_or_else(|| kind.to_owned());
                match request.and_then(|id| self.requests.get(id)) {
                    Some(Request::Launch { .. }) => self.launch_error(now, request, &reason),
                    Some(Request::Look) => return Err(Lost::NoStatus(self.timing.request)),
                    // Not what it was: an address that is to be played is a secret.
                    _ => tracing::debug!(reason, "the TV refuses a request"),
                }
                request.and_then(|id| self.requests.close(id));
            }
            _ => tracing::trace!(kind = clip(kind), "no concern of ours"),
        }
        Ok(())
    }

    fn receiver_status(&mut self, now: Instant, request: Option<u32>, status: platform::Status) {
        self.requests.take(|request| matches!(request, Request::Look));
        let run = status.view.app.as_ref().filter(|app| app.is_player).map(|app| &app.session);
        let launched = match (self.requests.find(is_launch), run) {
            (Some((id, Request::Launch { before, .. })), Some(run))
                if request == Some(id) || before.as_ref() != Some(run) =>
            {
                Some(id)
            }
            _ => None,
        };
        match (launched, request) {
            (Some(id), _) => drop(self.requests.close(id)),
            // The launch is answered when the player is there.
            (None, Some(id)) if self.requests.get(id).is_some_and(is_launch) => {}
            (None, Some(id)) => drop(self.requests.close(id)),
            (None, None) => {}
        }
        // An answer is told even when it is no news.
        if launched.is_some() || self.receiver.as_ref() != Some(&status.view) {
            self.outbox.push(TvEvent::Receiver(status.view.clone()));
        }
        let transport = status.transport.filter(|_| run.is_some());
        let session = run.cloned().unwrap_or_default();
        self.receiver = Some(status.view);
        self.follow(now, transport, session);
        if launched.is_some() && self.unwanted {
            self.stop(now);
        }
    }

    /// Keeps the connection to the player that runs now, if any does.
    fn follow(&mut self, now: Instant, transport: Option<String>, session: String) {
        let Some(transport) = transport else {
            self.forget_requests("the player ended");
            self.player = None;
            return;
        };
        match &self.player {
            Some(player)
                if player.is(&transport, &session) && (player.open || now < player.reopen_at()) =>
            {
                return;
            }
            Some(player) if !player.is(&transport, &session) => {
                self.forget_requests("the player was started anew");
            }
            _ => {}
        }
        self.send(&transport, CONNECTION, &platform::connect());
        self.player = Some(Player::connected(transport, session, now));
        self.poll(now);
    }

    /// The app has ended, or another took its place, or it has had enough of us: look who is there.
    fn player_closed(&mut self, now: Instant) {
        self.forget_requests("the player closed the connection");
        if let Some(player) = &mut self.player {
            player.open = false;
            player.poll_at = None;
            self.look_at = Some(player.reopen_at().max(now));
        }
    }

    /// What the player was asked is not answered any more.
    fn forget_requests(&mut self, why: &str) {
        self.requests.take(|request| matches!(request, Request::Poll));
        self.requests.take(|request| matches!(request, Request::Play));
        if self.requests.take(is_load).is_some() {
            let why = format!("the TV did not load the stream: {why}");
            self.outbox.push(TvEvent::LoadFailed(why));
        }
    }

    fn permission(&mut self, now: Instant, launch: Option<u32>, permission: Permission) {
        let Some((id, _)) = self.requests.find(is_launch) else {
            return;
        };
        if launch.is_some_and(|launch| launch != id) {
            return;
        }
        match permission {
            Permission::Asked => {
                self.requests.set_deadline(id, None);
                self.outbox.push(TvEvent::LaunchPending);
            }
            Permission::Given => self.requests.set_deadline(id, Some(now + self.timing.launch)),
            Permission::Refused => {
                self.requests.close(id);
                self.outbox.push(TvEvent::LaunchDenied);
            }
        }
    }

    fn launch_error(&mut self, now: Instant, request: Option<u32>, reason: &str) {
        let Some((id, Request::Launch { again, .. })) = self.requests.find(is_launch) else {
            return;
        };
        let again = *again;
        if request.is_some_and(|request| request != id) {
            return;
        }
        // TVs say so when they are waking up or another app is on its way out.
        if reason == "CANCELLED" && !again && !self.unwanted {
            tracing::debug!("the TV cancelled the launch, asking once more");
            self.launch(now, true);
        } else {
            self.requests.close(id);
            self.outbox.push(TvEvent::LaunchFailed(failure::launch(reason)));
        }
    }

    fn talks_to(&self, source: &str) -> bool {
        self.open_player().is_some_and(|player| player.transport == source)
    }

    fn open_player(&self) -> Option<&Player> {
        self.player.as_ref().filter(|player| player.open)
    }
}

const fn is_launch(request: &Request) -> bool {
    matches!(request, Request::Launch { .. })
}

const fn is_load(request: &Request) -> bool {
    matches!(request, Request::Load { .. })
}
