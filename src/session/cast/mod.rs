//! One wanted cast: one stream on one TV. Who owns the screen, what to do about it, whether the
//! dashboard is on it now, and what happened. All of it pure: an event and the time in, effects out.
//!
//! How a driver uses it, a task for each cast:
//!
//! 1. [`Cast::new`] with what is [`Wanted`], then [`Event::Start`].
//! 2. It tells [`Cast::handle`] each thing that happens: what the TV says, what the TV fetches (by the
//!    HTTP server's count), each segment that comes out, and how page and encoder do; the first
//!    [`Event::Page`] and [`Event::Encoder`] may come before the start.
//! 3. It carries out the effects, in their order. [`Effect::Connect`] is answered by
//!    [`Event::Connected`] or [`Event::ConnectionFailed`]; a connection that closes by itself is an
//!    [`Event::ConnectionLost`], one that [`Effect::Disconnect`] closed is none.
//! 4. It sends [`Event::Tick`] at [`Cast::deadline`], asked anew after each event.
//! 5. After each event, [`Cast::view`] is what the outside is shown.
//! 6. [`Event::Stop`] ends it; [`Effect::Finished`] is the last effect, and nothing follows.

mod advance;
mod event;
mod lag;
mod machine;
mod pace;
mod policy;
mod report;
mod screen;
mod stage;
mod stream;
mod timeline;
mod verdict;
mod volume;

use jiff::Timestamp;
use serde::Serialize;

pub use event::{Effect, Event, Farewell, Memory, Wanted};
pub use lag::Lag;
pub use policy::{Hold, Policy};
pub use stage::Rung;
pub use stream::{Fetched, Part, Place};
pub use timeline::{Entry, Note};
pub use verdict::{ChainLink, Finding, Verdict};
pub use volume::Borrowed;

use self::{
    lag::Playhead,
    machine::Machine,
    stream::Stream,
    timeline::Timeline,
    verdict::{Facts, Judge},
};
use super::{StateView, tv::TvEvent};
use crate::media::MediaTime;

/// One moment, by both clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// What spans are measured in.
    pub time: MediaTime,
    /// What people read.
    pub wall: Timestamp,
}

impl Now {
    pub fn read() -> Self {
        Self { time: MediaTime::now(), wall: Timestamp::now() }
    }
}

/// One wanted cast.
#[derive(Debug)]
pub struct Cast {
    stream: Stream,
    machine: Machine,
    judge: Judge,
    playhead: Playhead,
    timeline: Timeline,
}

/// What the outside is shown of a cast.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CastView {
    /// `connecting`, `looking`, `launching`, `permission-asked`, `awaiting-stream`, `loading`,
    /// `playing`, `paused`, `yielded(to)`, `stood-down(why)`, `waiting(why)`, `tv-off`, `ended`.
    pub state: StateView,
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Known only while the TV says that it plays. It moves all the time, which is no change of a cast.
    pub lag: Option<Lag>,
}

impl Cast {
    pub fn new(now: Now, wanted: Wanted) -> Self {
        Self {
            stream: Stream::new(),
            machine: Machine::new(wanted),
            judge: Judge::new(now.wall),
            playhead: Playhead::default(),
            timeline: Timeline::default(),
        }
    }

    /// Takes in what happened; what is to be done about it is done in this order.
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Effect> {
        if self.is_finished() {
            return Vec::new();
        }
        self.stream.note(now.time, &event);
        if let Event::Tv(TvEvent::Media(media)) = &event {
            let ours = media.as_ref().filter(|media| self.machine.is_ours(media));
            self.playhead.report(now.time, ours, &self.stream.fetched);
        }
        let mut effects = self.machine.handle(now.time, event, &self.stream);
        if !self.is_finished() {
            let claim = self.machine.claim();
            let facts = Facts { stream: &self.stream, line: &self.machine.line, claim: &claim };
            effects.extend(self.judge.look(now.time, now.wall, &facts).map(Effect::Note));
        }
        for effect in &effects {
            if let Effect::Note(note) = effect {
                self.timeline.push(now.wall, note);
            }
        }
        effects
    }

    /// When to send [`Event::Tick`] at the latest; `None` as long as only events can change anything.
    pub fn deadline(&self, now: Now) -> Option<MediaTime> {
        if self.is_finished() {
            return None;
        }
        let claim = self.machine.claim();
        let facts = Facts { stream: &self.stream, line: &self.machine.line, claim: &claim };
        let machine = self.machine.deadline(now.time, &self.stream);
        [machine, facts.deadline(now.time)].into_iter().flatten().min()
    }

    pub fn is_finished(&self) -> bool {
        self.machine.has_ended()
    }

    pub fn view(&self) -> CastView {
        CastView {
            state: self.machine.view(),
            verdict: self.judge.verdict().clone(),
            lag: self.playhead.lag().filter(|_| self.machine.is_on_screen()),
        }
    }

    /// Whether it waits for people, who have taken the screen.
    pub fn is_left_to_people(&self) -> bool {
        self.machine.is_left_to_people()
    }

    /// The latest events, the oldest one first.
    pub fn timeline(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.timeline.entries()
    }
}

#[cfg(test)]
mod tests;
