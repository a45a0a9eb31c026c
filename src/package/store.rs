//! The segments that are held, oldest first.

use std::{collections::VecDeque, time::Duration};

use bytes::Bytes;

use super::playlist::{Entry, Media};
use crate::media::MediaTime;

/// A finished segment.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    pub(super) entry: Entry,
    pub(super) bytes: Bytes,
}

/// Bounded in time and bytes; the oldest go first. The newest [`Store::LEAST`] stay whatever they
/// weigh, because a playlist without segments is no playlist; each is bounded by the segmenter.
#[derive(Debug)]
pub(super) struct Store {
    retention: MediaTime,
    memory: usize,
    segments: VecDeque<Segment>,
    bytes: usize,
    next: u64,
    /// Discontinuities at or before the first entry of the playlist.
    discontinuities: u64,
    held: MediaTime,
}

impl Store {
    /// A player starts three target durations from the end and holds on to as many more.
    const LEAST: usize = 6;
    /// In the playlist: enough for a player that looks away for ten seconds, few enough that one
    /// which starts at the top is not far behind.
    const LISTED: usize = 12;

    /// `first` is the number of the first segment, and how many discontinuities count as past.
    pub(super) fn new(retention: Duration, memory: usize, first: u64) -> Self {
        Self {
            retention: retention.into(),
            memory,
            segments: VecDeque::new(),
            bytes: 0,
            next: first,
            discontinuities: first,
            held: MediaTime::ZERO,
        }
    }

    /// The sequence number that the next segment must have.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, segment: Segment) {
        self.next = segment.entry.sequence + 1;
        self.bytes += segment.bytes.len();
        self.held = self.held + segment.entry.duration;
        self.segments.push_back(segment);
        // One segment came, so at most one left the playlist and made its successor the first.
        if let Some(first @ 1..) = self.segments.len().checked_sub(Self::LISTED)
            && self.segments.get(first).is_some_and(|segment| segment.entry.discontinuity)
        {
            self.discontinuities += 1;
        }
        while self.segments.len() > Self::LEAST
            && (self.bytes > self.memory || self.held > self.retention)
        {
            self.evict();
        }
    }

    fn evict(&mut self) {
        let listed = self.segments.len() <= Self::LISTED;
        let Some(segment) = self.segments.pop_front() else { return };
        self.bytes -= segment.bytes.len();
        self.held = self.held.since(segment.entry.duration);
        // It was in the playlist, so its successor is at the top now.
        if listed && self.segments.front().is_some_and(|next| next.entry.discontinuity) {
            self.discontinuities += 1;
        }
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Segment> {
        let first = self.segments.front()?.entry.sequence;
        self.segments.get(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }

    pub(super) fn latest(&self) -> Option<&Segment> {
        self.segments.back()
    }

    pub(super) fn playlist(&self, ended: bool) -> Media {
        let first = self.segments.len().saturating_sub(Self::LISTED);
        Media {
            discontinuity_sequence: self.discontinuities,
            entries: self.segments.iter().skip(first).map(|held| held.entry.clone()).collect(),
            ended,
        }
    }

    /// Whether an init segment is still needed.
    pub(super) fn uses(&self, init: u32) -> bool {
        self.segments.iter().any(|segment| segment.entry.init == init)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::session::cast::Place;

    fn segment(sequence: u64, size: usize, discontinuity: bool) -> Segment {
        Segment {
            entry: Entry {
                sequence,
                place: Place { taken: MediaTime::ZERO, holes: MediaTime::ZERO },
                duration: MediaTime::SECOND,
                wall: jiff::Timestamp::UNIX_EPOCH,
                discontinuity,
                init: 0,
            },
            bytes: vec![0; size].into(),
        }
    }

    #[test]
    fn segments_outlive_the_playlist_and_then_go() {
        let mut store = Store::new(Duration::from_secs(30), 1 << 20, 0);
        for sequence in 0..100 {
            store.push(segment(sequence, 10, false));
        }
        assert_eq!(store.playlist(false).entries[0].sequence, 88);
        assert!(store.get(70).is_some() && store.get(69).is_none());
        assert!(store.get(100).is_none());
        assert_eq!(store.bytes(), 300);
    }

    #[test]
    fn large_segments_leave_early_but_the_last_few_stay() {
        let mut store = Store::new(Duration::from_secs(60), 1000, 0);
        for sequence in 0..20 {
            store.push(segment(sequence, 400, false));
        }
        assert_eq!(store.playlist(false).entries.len(), Store::LEAST);
    }

    proptest! {
        /// What a player counts while it follows the playlist must agree with what it is told.
        #[test]
        fn discontinuities_are_counted_when_they_leave(
            steps in prop::collection::vec((any::<bool>(), 1_usize..400), 1..120),
            memory in 100_usize..10_000,
        ) {
            let mut store = Store::new(Duration::from_secs(25), memory, 0);
            let marks: Vec<bool> = steps.iter().map(|step| step.0).collect();
            for (sequence, (discontinuity, size)) in (0..).zip(steps) {
                store.push(segment(sequence, size, discontinuity));
                let playlist = store.playlist(false);
                let first = usize::try_from(playlist.entries[0].sequence).unwrap();
                // The very first segment of a stream continues nothing, whatever it is marked.
                let passed = marks.iter().skip(1).take(first).filter(|mark| **mark).count();
                prop_assert_eq!(playlist.discontinuity_sequence, passed as u64);
                prop_assert!(store.bytes() <= memory.max(400 * Store::LEAST));
            }
        }
    }
}
