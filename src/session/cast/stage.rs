//! Where a cast stands with its TV.

use serde::{Deserialize, Serialize};

use super::policy::Hold;
use crate::{
    media::MediaTime,
    session::tv::{IdleReason, MediaView, PlayerState},
};

/// A way to tell a player to play. The kinds of player disagree about what they must be told, and
/// only trying tells which kind a TV has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rung {
    /// The segments' format is stated.
    #[default]
    FormatStated,
    /// The player finds it out.
    FormatUnstated,
}

impl Rung {
    pub(super) const COUNT: u8 = 2;

    pub(super) const fn next(self) -> Self {
        match self {
            Self::FormatStated => Self::FormatUnstated,
            Self::FormatUnstated => Self::FormatStated,
        }
    }
}

/// Where the cast stands while, or until, there is a connection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Stage {
    /// The TV has not said yet what it shows; nothing is asked of it before.
    Looking {
        since: MediaTime,
    },
    /// Our player was called for.
    Launching(Launch),
    /// The screen is ours to take, and the stream has no segment yet.
    AwaitingStream,
    Loading(Attempt),
    Playing(Watch),
    /// A person paused it.
    Paused,
    /// The screen is left to people, and idle since then.
    Held {
        by: Hold,
        idle_since: Option<MediaTime>,
    },
    /// Something went wrong, or somebody may be about to start something: we look again then.
    Resting {
        until: MediaTime,
    },
    /// The TV is off or shows another input, and our player is gone from it.
    Off,
    /// It is over, and whether our player is still on the TV is not known yet.
    Leaving {
        until: MediaTime,
    },
    Ended,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Launch {
    pub(super) since: MediaTime,
    /// Somebody at the TV is asked whether we may.
    pub(super) asked: bool,
    /// The run of the app that we take the screen from.
    pub(super) over: Option<String>,
    /// When the player came up; what it plays is still to be said.
    pub(super) up: Option<MediaTime>,
}

/// One `Load` on its way to success.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Attempt {
    pub(super) rung: Rung,
    /// Rungs to try after this one.
    pub(super) left: u8,
    /// The player hung before: when this does not help, it is started again.
    pub(super) rescue: bool,
    /// When the first rung was tried.
    pub(super) began: MediaTime,
    pub(super) until: MediaTime,
    /// The player said that it has our stream.
    pub(super) answered: bool,
    /// What the player said last before; said again it is no answer.
    pub(super) before: Option<MediaView>,
    /// Segments fetched before.
    pub(super) segments: u64,
    pub(super) progress: Progress,
    pub(super) failed: Option<String>,
}

/// Our stream plays.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Watch {
    /// Since when, as far as we know.
    pub(super) since: MediaTime,
    pub(super) progress: Progress,
}

/// Whether a player that says so really plays.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Progress {
    position: Option<f64>,
    /// When the position was last seen further on.
    pub(super) advanced: Option<MediaTime>,
    /// A later report had it at the same place.
    pub(super) stands: bool,
    /// The last report was of playing.
    pub(super) playing: bool,
}

impl Progress {
    pub(super) fn report(&mut self, now: MediaTime, media: &MediaView) {
        self.playing = media.state == PlayerState::Playing;
        let further = self.position.is_some_and(|before| media.position > before);
        if self.playing && further {
            self.advanced = Some(now);
        }
        self.stands = !(self.playing && (further || self.position.is_none()));
        self.position = Some(media.position);
    }
}

/// Why a stream of ours that ended ended, as a sentence.
pub(super) const fn why_idle(reason: Option<IdleReason>) -> &'static str {
    match reason {
        Some(IdleReason::Finished) => "the player took the stream for finished",
        Some(IdleReason::Cancelled) => "somebody pressed stop",
        Some(IdleReason::Interrupted) => "something else was loaded into the player",
        Some(IdleReason::Error) => "the player could not fetch or decode the stream",
        Some(IdleReason::Unknown) | None => "the player stopped without a reason",
    }
}
