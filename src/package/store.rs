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
    held: MediaTime,
}

impl Store {
    /// A player starts three target durations from the end and holds on to as many more.
    const LEAST: usize = 6;
    /// In the playlist: enough for a player that looks away for ten seconds, few enough that one
    /// which starts at the top is not far behind.
    const LISTED: usize = 12;

    /// `first` is the number of the first segment.
    pub(super) fn new(retention: Duration, memory: usize, first: u64) -> Self {
        Self {
            retention: retention.into(),
            memory,
            segments: VecDeque::new(),
            bytes: 0,
            next: first,
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
        while self.segments.len() > Self::LEAST
            && (self.bytes > self.memory || self.held > self.retention)
        {
            self.evict();
        }
    }

    fn evict(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        self.bytes -= segment.bytes.len();
        self.held = self.held.since(segment.entry.duration);
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Segment> {
        let first = self.segments.front()?.entry.sequence;
        self.segments.get(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }

    pub(super) fn latest(&self) -> Option<&Segment> {
        self.segments.back()
    }

    /// The newest, as many as a player may have been told of and not have fetched yet.
    pub(super) fn newest(&self) -> impl Iterator<Item = &Segment> {
        let first = self.segments.len().saturating_sub(Self::LISTED);
        self.segments.range(first..)
    }

    /// What can be played now, from the last hole on. Shaka 5.2 takes a hole of more than a second that it
    /// sees in a list out of its own time, which then lags until the list has left its window: it throws,
    /// and stalls. What is before a hole can still be fetched.
    pub(super) fn playlist(&self, ended: bool) -> Media {
        let holes = self.latest().map(|latest| latest.entry.place.holes);
        let entries = self.newest().map(|held| &held.entry);
        let entries = entries.filter(|entry| Some(entry.place.holes) == holes);
        Media { entries: entries.cloned().collect(), ended }
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

    fn segment(sequence: u64, size: usize) -> Segment {
        Segment {
            entry: Entry {
                sequence,
                place: Place { taken: MediaTime::ZERO, holes: MediaTime::ZERO },
                duration: MediaTime::SECOND,
                wall: jiff::Timestamp::UNIX_EPOCH,
                discontinuities: 0,
                init: 0,
            },
            bytes: vec![0; size].into(),
        }
    }

    #[test]
    fn segments_outlive_the_playlist_and_then_go() {
        let mut store = Store::new(Duration::from_secs(30), 1 << 20, 0);
        for sequence in 0..100 {
            store.push(segment(sequence, 10));
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
            store.push(segment(sequence, 400));
        }
        assert_eq!(store.playlist(false).entries.len(), Store::LEAST);
    }

    proptest! {
        /// What is promised of it holds whatever comes.
        #[test]
        fn it_is_bounded_and_its_playlist_has_no_gap(
            sizes in prop::collection::vec(1_usize..400, 1..120),
            memory in 100_usize..10_000,
        ) {
            let mut store = Store::new(Duration::from_secs(25), memory, 0);
            for (sequence, size) in (0..).zip(sizes) {
                store.push(segment(sequence, size));
                prop_assert!(store.bytes() <= memory.max(400 * Store::LEAST));
                let entries = store.playlist(false).entries;
                let numbers: Vec<_> = entries.iter().map(|entry| entry.sequence).collect();
                prop_assert_eq!(numbers.last(), Some(&sequence));
                prop_assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]));
                prop_assert!(numbers.iter().all(|number| store.get(*number).is_some()));
            }
        }
    }
}
