//! Our side of a cast: the page, the encoder, the stream, and what the TV fetches of it.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::media::MediaTime;

/// How a link of the chain before the TV does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// On its way.
    Starting,
    /// The page is on the stream; the encoder runs.
    Works,
    /// A slate is shown instead of the page; there is no encoder. A sentence for people.
    Broken(String),
}

/// What a TV has fetched of the stream in all, counted since any moment before the cast began. The
/// differences count, so a counter that restarts does no harm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    pub playlists: u64,
    pub inits: u64,
    pub segments: u64,
    /// Where the first media playlist began, after the TV last fetched the multivariant one, with which
    /// each player begins. `None` as well while it plays what it began with before a restart.
    pub list: Option<Place>,
    /// Where the newest segment ends that it has fetched.
    pub end: Option<Place>,
}

/// A place in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// When the picture there was taken.
    pub taken: MediaTime,
    /// What is missing before it, in holes of 0.9 s and more.
    pub holes: MediaTime,
}

#[derive(Debug)]
pub(super) struct Stream {
    pub(super) page: Part,
    /// The page has been on the stream.
    pub(super) page_was_shown: bool,
    pub(super) encoder: Part,
    /// When the encoder became what it is.
    pub(super) encoder_since: MediaTime,
    /// When the newest segment came out.
    pub(super) segment: Option<MediaTime>,
    /// When segments began to come without a gap.
    pub(super) flows_since: MediaTime,
    pub(super) fetched: Fetched,
    /// When the TV last fetched a segment.
    pub(super) last_segment_fetch: Option<MediaTime>,
    /// When the TV last fetched anything.
    pub(super) last_fetch: Option<MediaTime>,
}

impl Stream {
    /// A segment comes out each second. This much later it does not come any more; it is less than
    /// what the TV is given, so that the first link that broke is the one that is named.
    pub(super) const LIMIT: MediaTime = MediaTime::from_ticks(3 * MediaTime::TICKS_PER_SECOND);

    pub(super) fn new() -> Self {
        Self {
            page: Part::Starting,
            page_was_shown: false,
            encoder: Part::Starting,
            encoder_since: MediaTime::ZERO,
            segment: None,
            flows_since: MediaTime::ZERO,
            fetched: Fetched::default(),
            last_segment_fetch: None,
            last_fetch: None,
        }
    }

    pub(super) fn note(&mut self, now: MediaTime, event: &Event) {
        match event {
            Event::Page(part) => {
                self.page_was_shown |= *part == Part::Works;
                self.page = part.clone();
            }
            Event::Encoder(part) => {
                if self.encoder != *part {
                    self.encoder_since = now;
                }
                self.encoder = part.clone();
            }
            Event::Segment => {
                if !self.flows(now) {
                    self.flows_since = now;
                }
                self.segment = Some(now);
            }
            Event::Fetched(fetched) => {
                if fetched.segments != self.fetched.segments {
                    self.last_segment_fetch = Some(now);
                }
                if *fetched != self.fetched {
                    self.last_fetch = Some(now);
                }
                self.fetched = *fetched;
            }
            _ => {}
        }
    }

    /// There is something to play, or was.
    pub(super) const fn is_ready(&self) -> bool {
        self.segment.is_some()
    }

    pub(super) fn flows(&self, now: MediaTime) -> bool {
        self.segment.is_some_and(|segment| now.since(segment) < Self::LIMIT)
    }

    /// Since when a TV that plays since `since` has fetched no segment, though there were some.
    pub(super) fn unfetched_since(&self, since: MediaTime) -> MediaTime {
        self.last_segment_fetch.unwrap_or_default().max(self.flows_since).max(since)
    }
}
