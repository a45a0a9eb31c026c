//! Whether the dashboard is on the TV now. It is judged from what the TV does, not only from what it
//! says, and apart from what we are doing about it.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    machine::Line,
    stage::Watch,
    stream::{Part, Stream},
    timeline::Note,
};
use crate::media::MediaTime;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", content = "link", rename_all = "kebab-case")]
pub enum Finding {
    /// The TV fetches the stream, and its player says that it moves on.
    Confirmed,
    /// As [`Finding::Confirmed`], but the TV says that it shows something else.
    CoveredSuspected,
    /// People have the screen: something else is on it, or they paused or ended us.
    TakenOver,
    /// The TV is off, or shows another input.
    TvOff,
    /// The first link from the page to the screen that does not hold.
    Broken(ChainLink),
    /// It is too early to tell.
    Unknown,
}

/// From the page to the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChainLink {
    /// A slate is shown instead of it.
    Page,
    Encoder,
    /// No segments come out.
    Stream,
    /// The TV does not fetch what there is.
    Network,
    /// The TV cannot be spoken to.
    Tv,
    /// It does not play, or stands still.
    Player,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Confirmed => "confirmed",
            Self::CoveredSuspected => "covered-suspected",
            Self::TakenOver => "taken-over",
            Self::TvOff => "tv-off",
            Self::Unknown => "unknown",
            Self::Broken(link) => return write!(f, "broken({link})"),
        })
    }
}

impl fmt::Display for ChainLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Page => "page",
            Self::Encoder => "encoder",
            Self::Stream => "stream",
            Self::Network => "network",
            Self::Tv => "tv",
            Self::Player => "player",
        })
    }
}

/// An answer, and since when it holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    #[serde(flatten)]
    pub finding: Finding,
    /// A sentence for people.
    pub why: String,
    pub since: Timestamp,
}

/// What the ownership machine has to say.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Claim {
    /// On the way to playing; a step, as a sentence.
    Opening(String),
    /// The player was told to play then, for the first time or again after `trouble`.
    Loading {
        began: MediaTime,
        trouble: Option<(ChainLink, String)>,
    },
    Failing(ChainLink, String),
    Taken(String),
    Off(String),
    Playing {
        watch: Watch,
        covered: bool,
    },
}

/// The TV fetches a segment each second. With the second that may have passed since the last one,
/// this is known within 5 s.
pub(super) const FETCH_LIMIT: MediaTime = MediaTime::from_ticks(4 * MediaTime::TICKS_PER_SECOND);
/// The player tells every 2 s at least where it is.
const PLAYER_LIMIT: MediaTime = MediaTime::from_ticks(4 * MediaTime::TICKS_PER_SECOND);

/// The facts of one moment.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) stream: &'a Stream,
    pub(super) line: &'a Line,
    pub(super) claim: &'a Claim,
}

impl Facts<'_> {
    fn judge(&self, now: MediaTime) -> (Finding, String) {
        let broken = |link, why: &str| (Finding::Broken(link), why.to_owned());
        if let Line::Up { .. } = self.line {
            match self.claim {
                Claim::Taken(why) => return (Finding::TakenOver, why.clone()),
                Claim::Off(why) => return (Finding::TvOff, why.clone()),
                _ => {}
            }
        }
        if let Some((link, why)) = self.broken_before_the_tv(now) {
            return broken(link, &why);
        }
        if self.unfetched_from().is_some_and(|limit| limit <= now) {
            let why = match self.claim {
                Claim::Loading { .. } => super::advance::UNHEARD,
                _ => "the TV has stopped fetching the stream",
            };
            return broken(ChainLink::Network, why);
        }
        match self.line {
            Line::Down { why, .. } | Line::Connecting { why: Some(why) } => {
                return broken(ChainLink::Tv, &format!("the TV cannot be reached: {why}"));
            }
            Line::Connecting { why: None } | Line::Up { .. } => {}
        }
        match self.claim {
            Claim::Failing(link, why) | Claim::Loading { trouble: Some((link, why)), .. } => {
                return broken(*link, why);
            }
            _ => {}
        }
        if self.stands_from().is_some_and(|limit| limit <= now) {
            return broken(ChainLink::Player, "the player's picture stands still");
        }
        self.whole(now)
    }

    /// Nothing is broken.
    fn whole(&self, now: MediaTime) -> (Finding, String) {
        let unknown = |why: &str| (Finding::Unknown, why.to_owned());
        match (&self.stream.page, &self.stream.encoder, self.line) {
            (Part::Starting, _, _) => return unknown("the page is being opened"),
            (_, Part::Starting, _) => return unknown("the encoder is being started"),
            (_, _, Line::Connecting { .. }) => return unknown("the TV is being called"),
            _ => {}
        }
        let (watch, covered) = match self.claim {
            Claim::Opening(step) => return unknown(step),
            Claim::Playing { watch, covered } => (watch, covered),
            _ => return unknown("the player is about to begin"),
        };
        let fetched = self.stream.last_segment_fetch;
        let fresh = fetched
            .is_some_and(|fetch| fetch >= watch.since && now.since(fetch) < FETCH_LIMIT)
            && watch.progress.advanced.is_some();
        match covered {
            _ if !fresh => unknown("the TV's next sign of playing is awaited"),
            true => (
                Finding::CoveredSuspected,
                "the TV says that it shows another input, yet goes on fetching".to_owned(),
            ),
            false => {
                (Finding::Confirmed, "the TV fetches the stream and its player moves on".to_owned())
            }
        }
    }

    fn broken_before_the_tv(&self, now: MediaTime) -> Option<(ChainLink, String)> {
        let stream = self.stream;
        match &stream.page {
            Part::Broken(why) => return Some((ChainLink::Page, why.clone())),
            Part::Starting if stream.page_was_shown => {
                return Some((ChainLink::Page, "the page is being opened again".to_owned()));
            }
            Part::Starting | Part::Works => {}
        }
        match &stream.encoder {
            Part::Broken(why) => return Some((ChainLink::Encoder, why.clone())),
            Part::Starting if stream.is_ready() => {
                return Some((ChainLink::Encoder, "the encoder is being started again".to_owned()));
            }
            Part::Starting | Part::Works => {}
        }
        self.dry_from()
            .is_some_and(|limit| limit <= now)
            .then(|| (ChainLink::Stream, "no segments of the stream come out".to_owned()))
    }

    /// When the stream counts as broken if no segment comes.
    fn dry_from(&self) -> Option<MediaTime> {
        let last = match self.stream.segment {
            None => (self.stream.encoder == Part::Works).then_some(self.stream.encoder_since),
            segment => segment,
        };
        last.map(|last| last + Stream::LIMIT)
    }

    /// When the network counts as broken if the TV fetches nothing. After a restart of the daemon the TV plays
    /// on before there is anything new.
    fn unfetched_from(&self) -> Option<MediaTime> {
        match self.claim {
            Claim::Playing { watch, .. } if self.stream.is_ready() => {
                Some(self.stream.unfetched_since(watch.since) + FETCH_LIMIT)
            }
            Claim::Loading { began, .. } => {
                let heard = self.stream.last_fetch.is_some_and(|fetch| fetch >= *began);
                (!heard).then_some(*began + FETCH_LIMIT)
            }
            _ => None,
        }
    }

    /// When the player counts as standing if it does not move, though there is something to play.
    fn stands_from(&self) -> Option<MediaTime> {
        match self.claim {
            Claim::Playing { watch, .. } if self.stream.is_ready() => {
                let moved = watch.progress.advanced;
                let since = moved.unwrap_or(watch.since).max(self.stream.flows_since);
                (moved.is_none() || watch.progress.stands).then_some(since + PLAYER_LIMIT)
            }
            _ => None,
        }
    }

    /// When the answer may change though nothing happens.
    pub(super) fn deadline(&self, now: MediaTime) -> Option<MediaTime> {
        let stale = self.stream.last_segment_fetch.map(|fetch| fetch + FETCH_LIMIT);
        [self.dry_from(), self.unfetched_from(), self.stands_from(), stale]
            .into_iter()
            .flatten()
            .filter(|limit| *limit > now)
            .min()
    }
}

/// Remembers since when it is so.
#[derive(Debug)]
pub(super) struct Judge {
    verdict: Verdict,
}

impl Judge {
    pub(super) fn new(wall: Timestamp) -> Self {
        let why = "the cast has not begun yet".to_owned();
        Self { verdict: Verdict { finding: Finding::Unknown, why, since: wall } }
    }

    /// Judges anew, and tells when that changed the answer.
    pub(super) fn look(
        &mut self,
        now: MediaTime,
        wall: Timestamp,
        facts: &Facts<'_>,
    ) -> Option<Note> {
        let (finding, why) = facts.judge(now);
        let changed = finding != self.verdict.finding;
        if changed {
            self.verdict.since = wall;
        }
        self.verdict.finding = finding;
        self.verdict.why = Note::new("verdict", why).detail;
        changed.then(|| Note::new("verdict", format!("{finding}: {}", self.verdict.why)))
    }

    pub(super) const fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}
