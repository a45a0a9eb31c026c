//! Who owns the screen of one TV, and what to do about it, as a pure machine.

use std::mem;

use url::Url;

use super::{
    event::{Effect, Event, Farewell, Memory, Wanted},
    pace::{Breaker, Pace},
    policy::{Hold, Policy},
    screen::{Screen, is_ours},
    stage::{Stage, Watch},
    stream::Stream,
    timeline::Note,
    verdict::{self, ChainLink},
    volume::Volume,
};
use crate::{
    media::MediaTime,
    session::{
        backoff::Backoff,
        tv::{IdleReason, MediaView, PlayerState, ReceiverView, TvCommand, TvEvent},
    },
};

const fn seconds(count: u64) -> MediaTime {
    MediaTime::from_ticks(count * MediaTime::TICKS_PER_SECOND)
}

/// A TV tells what it shows as soon as it is connected. One that has not after this long never will.
pub(super) const LOOK_LIMIT: MediaTime = seconds(10);
/// TVs that were asleep take up to 20 s.
pub(super) const LAUNCH_LIMIT: MediaTime = seconds(30);
/// A TV that asks its people gives up by itself earlier. They are not asked again for as long.
pub(super) const ASK_LIMIT: MediaTime = seconds(300);
/// A player that has just come up says what it plays at once, or nothing when that is nothing.
pub(super) const UP_LIMIT: MediaTime = seconds(2);
/// Players that can play the stream do so within 4 s; one that cannot says nothing at all.
pub(super) const LOAD_LIMIT: MediaTime = seconds(12);
/// One that plays fetches more than it needs for its first look.
pub(super) const ENOUGH_SEGMENTS: u64 = 3;
/// Before trying again after a failure: what caused it, such as a person's other app, shows by then.
pub(super) const FAILURE_PAUSE: MediaTime = seconds(1);
/// When the player is gone, somebody may have started something else, which takes a while to come up.
pub(super) const VANISH_PAUSE: MediaTime = seconds(5);
/// The player says that it plays and fetches nothing, though there is something: it hangs.
pub(super) const HANG_LIMIT: MediaTime = seconds(10);
/// Players catch up with a stream that stood still within 7 s.
pub(super) const STALL_LIMIT: MediaTime = seconds(20);

/// Whoever ends a cast waits that long for a TV that does not say what it shows.
pub(super) const LEAVE_LIMIT: MediaTime = seconds(4);

/// The connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Line {
    Down { retry: MediaTime, why: String },
    Connecting { why: Option<String> },
    Up { stream: Url },
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) title: String,
    pub(super) policy: Policy,
    pub(super) memory: Memory,
    /// What the outside remembers.
    remembered: Memory,
    pub(super) volume: Volume,
    pub(super) line: Line,
    pace: Pace,
    pub(super) stage: Stage,
    /// What the TV said last on this connection.
    pub(super) receiver: Option<ReceiverView>,
    /// What the player said last in this run of it.
    pub(super) media: Option<Option<MediaView>>,
    /// The TV has said that it shows us. Those that never do say wrongly that they do not.
    seen_active: bool,
    /// The TV is off or shows another input, as far as that is believed.
    pub(super) off: bool,
    /// When it was last off.
    pub(super) on_since: MediaTime,
    /// Our player came up since we last called for it: the next call is one too many, or nearly.
    pub(super) came_up: bool,
    pub(super) breaker: Breaker,
    /// Of launches and loads that fail.
    pub(super) backoff: Backoff,
    /// The run of the player that we started.
    pub(super) launched: Option<String>,
    /// The player of another cast may be on the TV, which ours is to replace.
    follows: bool,
    /// We told the player to end.
    pub(super) ending: bool,
    /// Why our stream does not play, until it does.
    pub(super) trouble: Option<(ChainLink, String)>,
    pub(super) out: Vec<Effect>,
}

impl Machine {
    pub(super) fn new(wanted: Wanted) -> Self {
        let Wanted { title, policy, volume, memory, follows, seed } = wanted;
        let stage = match memory.hold.clone() {
            Some(by) => Stage::Held { by, idle_since: None },
            None => Stage::Looking { since: MediaTime::ZERO },
        };
        Self {
            title,
            policy,
            remembered: memory.clone(),
            volume: Volume::new(volume, memory.volume, memory.had_screen),
            follows,
            memory,
            line: Line::Connecting { why: None },
            pace: Pace::new(seed),
            stage,
            receiver: None,
            media: None,
            seen_active: false,
            off: false,
            on_since: MediaTime::ZERO,
            came_up: false,
            breaker: Breaker::default(),
            backoff: Backoff::default(),
            launched: None,
            ending: false,
            trouble: None,
            out: Vec::new(),
        }
    }

    /// `stream` knows of the event already.
    pub(super) fn handle(&mut self, now: MediaTime, event: Event, stream: &Stream) -> Vec<Effect> {
        if self.has_ended() {
            return Vec::new();
        }
        match event {
            Event::Start => self.connect(now, None),
            Event::Connected { stream } if self.is_connecting() => self.connected(now, stream),
            Event::ConnectionFailed { why } if self.is_connecting() => {
                self.disconnected(now, "connection-failed", why);
            }
            Event::ConnectionLost { why } if self.is_up() => {
                self.disconnected(now, "connection-lost", why);
            }
            Event::Tv(event) if self.is_up() => self.tv_said(now, event),
            Event::Announced => self.hurry(now),
            Event::Title(title) => self.title = title,
            Event::Stop(farewell) => self.stop(now, farewell),
            // Of a connection that is not there (any more).
            Event::Connected { .. }
            | Event::ConnectionFailed { .. }
            | Event::ConnectionLost { .. }
            | Event::Tv(_) => {}
            Event::Page(_)
            | Event::Encoder(_)
            | Event::Segment
            | Event::Fetched(_)
            | Event::Tick => {}
        }
        match &self.line {
            _ if self.has_ended() => {}
            _ if matches!(self.stage, Stage::Leaving { until } if until <= now) => self.leave(),
            Line::Down { retry, why } if *retry <= now => self.connect(now, Some(why.clone())),
            Line::Down { .. } | Line::Connecting { .. } => {}
            Line::Up { stream: ours } => {
                let screen = Screen::of(self.receiver.as_ref(), self.media.as_ref(), ours);
                self.look_at_power(now, stream);
                self.advance(now, screen, stream);
            }
        }
        self.take_effects()
    }

    /// What must be remembered comes first: a crash in between must not lose a volume.
    fn take_effects(&mut self) -> Vec<Effect> {
        self.memory.volume = self.volume.borrowed();
        if self.memory != self.remembered {
            self.remembered = self.memory.clone();
            self.out.insert(0, Effect::Remember(self.memory.clone()));
        }
        mem::take(&mut self.out)
    }

    /// When to send [`Event::Tick`] at the latest.
    pub(super) fn deadline(&self, now: MediaTime, stream: &Stream) -> Option<MediaTime> {
        match (&self.line, &self.stage) {
            (Line::Down { retry, .. }, Stage::Leaving { until }) => return Some(*retry.min(until)),
            (_, Stage::Leaving { until }) => return Some(*until),
            (Line::Down { retry, .. }, _) => return Some(*retry),
            (Line::Connecting { .. }, _) => return None,
            (Line::Up { .. }, _) => {}
        }
        let stage = match &self.stage {
            Stage::Looking { since } => Some(*since + LOOK_LIMIT),
            Stage::Launching(launch) => Some(launch.until()),
            Stage::Loading(attempt) => Some(attempt.until),
            Stage::Playing(watch) => self.hangs_at(now, watch, stream),
            Stage::Held { by, idle_since } => {
                let after = self.policy.returns_after(by);
                idle_since.zip(after).map(|(since, after)| since + after.into())
            }
            Stage::Resting { until } => Some(*until),
            Stage::AwaitingStream
            | Stage::Paused
            | Stage::Off
            | Stage::Leaving { .. }
            | Stage::Ended => None,
        };
        let power = stream
            .last_segment_fetch
            .map(|fetch| fetch + verdict::FETCH_LIMIT)
            .filter(|at| self.says_inactive() && *at > now);
        [stage, power].into_iter().flatten().min()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.stage == Stage::Ended
    }

    const fn is_up(&self) -> bool {
        matches!(self.line, Line::Up { .. })
    }

    const fn is_connecting(&self) -> bool {
        matches!(self.line, Line::Connecting { .. })
    }

    pub(super) fn note(&mut self, event: &'static str, detail: impl Into<String>) {
        self.out.push(Effect::Note(Note::new(event, detail)));
    }

    /// Connects as soon as that is no hurry.
    fn hurry(&mut self, now: MediaTime) {
        let earliest = self.pace.reset(now);
        if let Line::Down { retry, .. } = &mut self.line {
            *retry = earliest.min(*retry);
        }
    }

    fn connect(&mut self, now: MediaTime, why: Option<String>) {
        self.pace.attempt(now);
        self.line = Line::Connecting { why };
        self.out.push(Effect::Connect);
    }

    fn connected(&mut self, now: MediaTime, stream: Url) {
        self.pace.succeeded(now);
        self.line = Line::Up { stream };
        if !matches!(self.stage, Stage::Held { .. } | Stage::Leaving { .. }) {
            self.stage = Stage::Looking { since: now };
        }
        self.note("connected", "the TV is there");
    }

    fn disconnected(&mut self, now: MediaTime, event: &'static str, why: String) {
        self.note(event, why.as_str());
        self.line = Line::Down { retry: self.pace.failed(now), why };
        self.volume.disconnected();
        self.receiver = None;
        self.media = None;
        self.off = false;
        self.ending = false;
        match &mut self.stage {
            Stage::Held { idle_since, .. } => *idle_since = None,
            Stage::Leaving { .. } => {}
            stage => *stage = Stage::Looking { since: now },
        }
    }

    /// Gives up a connection that is of no use.
    pub(super) fn hang_up(&mut self, now: MediaTime, why: &str) {
        self.out.push(Effect::Disconnect);
        self.disconnected(now, "connection-useless", why.to_owned());
    }

    fn tv_said(&mut self, now: MediaTime, event: TvEvent) {
        match event {
            TvEvent::Receiver(view) => self.receiver_said(view),
            TvEvent::Media(media) => self.media_said(now, media),
            TvEvent::LaunchPending => {
                if let Stage::Launching(launch) = &mut self.stage {
                    launch.asked = true;
                    self.note("permission-asked", "somebody at the TV is asked to allow the cast");
                }
            }
            TvEvent::LaunchDenied => {
                if matches!(self.stage, Stage::Launching(_)) {
                    let how = "somebody at the TV did not allow the cast".to_owned();
                    self.hold(Hold::Stopped(how));
                }
            }
            TvEvent::LaunchFailed(why) => {
                if matches!(self.stage, Stage::Launching(_)) {
                    let why = format!("the player did not start: {why}");
                    self.rest_after_failure(now, "launch-failed", ChainLink::Player, why);
                }
            }
            TvEvent::LoadFailed(why) => {
                if let Stage::Loading(attempt) = &mut self.stage {
                    attempt.fail(now, format!("the player refused the stream: {why}"));
                }
            }
        }
    }

    fn receiver_said(&mut self, view: ReceiverView) {
        let run = |view: &ReceiverView| view.app.as_ref().map(|app| app.session.clone());
        let before = self.receiver.as_ref().and_then(run);
        if before != run(&view) {
            self.media = None;
        }
        self.seen_active |= view.active_input == Some(true);
        self.volume.reported(&view);
        self.receiver = Some(view);
    }

    fn media_said(&mut self, now: MediaTime, media: Option<MediaView>) {
        if let Some(media) = media.as_ref().filter(|media| self.is_ours(media)) {
            let cancelled = media.state == PlayerState::Idle(Some(IdleReason::Cancelled));
            let stopped = match &mut self.stage {
                Stage::Loading(attempt) => {
                    attempt.report(now, media);
                    cancelled && (attempt.answered || attempt.before.as_ref() != Some(media))
                }
                Stage::Playing(watch) => {
                    watch.progress.report(now, media);
                    cancelled
                }
                Stage::Paused | Stage::Resting { .. } | Stage::AwaitingStream => cancelled,
                _ => false,
            };
            if stopped && !self.ending {
                self.hold(Hold::Stopped("somebody pressed stop".to_owned()));
            }
        }
        self.media = Some(media);
    }

    /// Whether this is our stream.
    pub(super) fn is_ours(&self, media: &MediaView) -> bool {
        matches!(&self.line, Line::Up { stream } if is_ours(media, stream))
    }

    /// Some sets say wrongly that they show another input: one that has never said that it shows
    /// ours is not believed, and neither is one whose player goes on fetching.
    fn look_at_power(&mut self, now: MediaTime, stream: &Stream) {
        let standby = self.receiver.as_ref().is_some_and(|view| view.standby == Some(true));
        let fetches =
            stream.last_segment_fetch.is_some_and(|fetch| now.since(fetch) < verdict::FETCH_LIMIT);
        let off = standby || (self.says_inactive() && !fetches);
        if off || self.off {
            self.on_since = now;
        }
        if off != self.off {
            self.off = off;
            match off {
                true if standby => self.note("tv-off", "the TV is in standby"),
                true => self.note("tv-off", "the TV shows another input"),
                false => self.note("tv-on", "the TV shows us again"),
            }
        }
    }

    /// The TV says that it shows another input, and knows how to say that it shows ours.
    pub(super) fn says_inactive(&self) -> bool {
        self.seen_active
            && self.receiver.as_ref().is_some_and(|view| view.active_input == Some(false))
    }

    /// When a player that plays counts as hanging, unless it goes on.
    pub(super) fn hangs_at(
        &self,
        now: MediaTime,
        watch: &Watch,
        stream: &Stream,
    ) -> Option<MediaTime> {
        if self.off || !stream.flows(now) {
            return None;
        }
        let since = watch.since.max(self.on_since);
        let unfetched = stream.unfetched_since(since);
        let hangs = watch.progress.playing.then_some(unfetched + HANG_LIMIT);
        let moved = watch.progress.advanced.unwrap_or_default().max(stream.flows_since).max(since);
        let stalls = watch.progress.stands.then_some(moved + STALL_LIMIT);
        let starves = Some(unfetched + STALL_LIMIT);
        [hangs, stalls, starves].into_iter().flatten().min()
    }

    /// Leaves the screen to people.
    pub(super) fn hold(&mut self, by: Hold) {
        let event = match by {
            Hold::Busy(_) => "yielded",
            Hold::TakenOver(_) => "taken-over",
            Hold::Stopped(_) => "stopped-by-person",
        };
        self.note(event, by.why());
        let command = self.volume.give_back(self.receiver.as_ref());
        self.out.extend(command.map(Effect::Tell));
        self.memory.hold = Some(by.clone());
        self.trouble = None;
        self.stage = Stage::Held { by, idle_since: None };
    }

    pub(super) fn set_volume(&mut self) {
        let command = self.volume.apply(self.receiver.as_ref());
        self.out.extend(command.map(Effect::Tell));
    }

    pub(super) fn rest(
        &mut self,
        until: MediaTime,
        event: &'static str,
        link: ChainLink,
        why: String,
    ) {
        self.note(event, why.as_str());
        self.trouble = Some((link, why));
        self.stage = Stage::Resting { until };
    }

    pub(super) fn rest_after_failure(
        &mut self,
        now: MediaTime,
        event: &'static str,
        link: ChainLink,
        why: String,
    ) {
        let until = self.backoff.failed(now).max(now + FAILURE_PAUSE);
        self.rest(until, event, link, why);
    }

    fn stop(&mut self, now: MediaTime, farewell: Farewell) {
        if farewell == Farewell::KeepPlaying {
            return self.end("the TV plays on without us");
        }
        if !self.may_have_our_player() {
            return self.leave();
        }
        self.stage = Stage::Leaving { until: now + LEAVE_LIMIT };
        self.hurry(now);
    }

    /// Our player, or the one that it was to replace, may be on the TV, which has not said so (yet).
    fn may_have_our_player(&self) -> bool {
        let is_known = match &self.line {
            Line::Up { stream } => {
                let screen = Screen::of(self.receiver.as_ref(), self.media.as_ref(), stream);
                screen != Screen::Unknown || self.is_ours_to_end()
            }
            Line::Down { .. } | Line::Connecting { .. } => false,
        };
        let may_be_there = self.memory.had_screen || self.follows;
        may_be_there && self.memory.hold.is_none() && !is_known
    }

    /// Ends what is ours on the TV, and gives back what was borrowed, whatever it shows.
    pub(super) fn leave(&mut self) {
        let command = self.volume.give_back(self.receiver.as_ref());
        self.out.extend(command.map(Effect::Tell));
        if self.is_ours_to_end() {
            self.out.push(Effect::Tell(TvCommand::Stop));
        }
        if self.receiver.is_some() {
            self.memory.had_screen = false;
        }
        self.end("the cast is over");
    }

    fn end(&mut self, how: &str) {
        if !matches!(self.line, Line::Down { .. }) {
            self.out.push(Effect::Disconnect);
        }
        self.note("ended", how);
        self.out.push(Effect::Finished);
        self.stage = Stage::Ended;
    }

    /// Our stream is what the player has, or is about to have, or we called for the player and it comes or
    /// is empty: nobody else would end that.
    fn is_ours_to_end(&self) -> bool {
        let Line::Up { stream } = &self.line else {
            return false;
        };
        if matches!(self.stage, Stage::Launching(_)) {
            return true;
        }
        let loads = matches!(self.stage, Stage::Loading(_));
        match Screen::of(self.receiver.as_ref(), self.media.as_ref(), stream) {
            Screen::Ours(_) => true,
            Screen::Unknown | Screen::Empty => {
                let run = self.receiver.as_ref().and_then(|view| view.app.as_ref());
                loads || run.is_some_and(|app| self.launched.as_ref() == Some(&app.session))
            }
            // What it has gives way to ours, or was to.
            Screen::Kin => loads || !self.memory.had_screen,
            Screen::Free | Screen::Taken(_) => false,
        }
    }
}
