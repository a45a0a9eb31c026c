//! Pictures in, segments out: a pure value, told everything.

use bytes::Bytes;

use crate::media::{MediaTime, Packet};

/// One picture of a segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) duration: MediaTime,
    pub(super) idr: bool,
    pub(super) data: Bytes,
}

/// A finished segment, still as pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    /// When its first picture is shown, by `CLOCK_MONOTONIC`.
    pub(super) start: MediaTime,
    pub(super) duration: MediaTime,
    /// It does not continue the segment before: another encoder, or a hole in time.
    pub(super) discontinuity: bool,
    /// How many encoders there were before the one that made it.
    pub(super) encoder: u32,
    pub(super) samples: Vec<Sample>,
}

/// Cuts a stream of pictures at its IDRs.
///
/// Bounded: a segment that grows beyond [`Segmenter::MOST_BYTES`] loses its later pictures, which the
/// next IDR mends.
#[derive(Debug, Default)]
pub(super) struct Segmenter {
    open: Option<Open>,
    encoders: u32,
    end: Option<MediaTime>,
    fresh: bool,
    dropped: u64,
}

#[derive(Debug)]
struct Open {
    start: MediaTime,
    discontinuity: bool,
    encoder: u32,
    pictures: Vec<(MediaTime, bool, Bytes)>,
    bytes: usize,
    /// A picture was left out: nothing up to the next IDR can be decoded.
    full: bool,
}

impl Segmenter {
    /// A second at 100 Mbit/s, which no preset comes near.
    const MOST_BYTES: usize = 16 * 1024 * 1024;
    /// The longest a segment may last and still be announced as one second, which rounds to the
    /// nearest (RFC 8216, 4.3.3.1). What goes beyond is a hole.
    pub(super) const LONGEST: MediaTime = MediaTime::from_ticks(134_100);

    /// Goes on after what another segmenter made, up to `end`.
    pub(super) fn after(end: MediaTime) -> Self {
        Self { end: Some(end), ..Self::default() }
    }

    /// Another encoder begins; the number of its pictures' [`Cut::encoder`]. The open segment goes on
    /// until its first picture, so that there is no hole when it is quick. One that made no picture
    /// gives its number to the next.
    pub(super) fn begin(&mut self) -> u32 {
        if !self.fresh && (self.end.is_some() || self.open.is_some()) {
            self.encoders += 1;
        }
        self.fresh = true;
        self.encoders
    }

    /// Takes a picture; an IDR finishes the segment before.
    pub(super) fn push(&mut self, packet: Packet) -> Option<Cut> {
        let last = self.open.as_ref().map(|open| open.last()).or(self.end);
        // A segment's end is the next one's start, and only there may times be equal.
        let late = match (&self.open, last) {
            (Some(_), Some(last)) => packet.time <= last,
            (None, Some(end)) => packet.time < end,
            (_, None) => false,
        };
        if late || (self.fresh && !packet.idr) {
            self.dropped += 1;
            return None;
        }
        if !packet.idr {
            match &mut self.open {
                Some(open) if !open.full => open.add(packet, &mut self.dropped),
                _ => self.dropped += 1,
            }
            return None;
        }
        let cut = self.close(packet.time);
        let hole = self.end.is_some_and(|end| end != packet.time);
        let mut open = Open {
            start: packet.time,
            discontinuity: hole || (self.fresh && self.end.is_some()),
            encoder: self.encoders,
            pictures: Vec::new(),
            bytes: 0,
            full: false,
        };
        open.add(packet, &mut self.dropped);
        self.open = Some(open);
        self.fresh = false;
        cut
    }

    /// The open segment ends here; nothing of it is still to come.
    pub(super) fn close(&mut self, at: MediaTime) -> Option<Cut> {
        if self.open.as_ref().is_some_and(|open| at <= open.last()) {
            return None;
        }
        let open = self.open.take()?;
        let end = at.min(open.start + Self::LONGEST).max(open.last() + MediaTime::from_ticks(1));
        self.end = Some(end);
        let times: Vec<_> = open.pictures.iter().map(|picture| picture.0).chain([end]).collect();
        let samples = open
            .pictures
            .into_iter()
            .zip(times.windows(2))
            .map(|((_, idr, data), span)| Sample { duration: span[1].since(span[0]), idr, data })
            .collect();
        Some(Cut {
            start: open.start,
            duration: end.since(open.start),
            discontinuity: open.discontinuity,
            encoder: open.encoder,
            samples,
        })
    }

    /// Pictures that could not be used.
    pub(super) const fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Open {
    fn last(&self) -> MediaTime {
        self.pictures.last().map_or(self.start, |picture| picture.0)
    }

    fn add(&mut self, packet: Packet, dropped: &mut u64) {
        self.bytes += packet.data.len();
        if self.bytes > Segmenter::MOST_BYTES || packet.time.since(self.start) > Segmenter::LONGEST
        {
            self.full = true;
            *dropped += 1;
            return;
        }
        self.pictures.push((packet.time, packet.idr, packet.data));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(ticks: u64, idr: bool) -> Packet {
        Packet { time: at(ticks), idr, data: Bytes::from_static(&[0, 0, 1, 0x65, 1]) }
    }

    const fn at(ticks: u64) -> MediaTime {
        MediaTime::from_ticks(ticks)
    }

    fn durations(cut: &Cut) -> Vec<u64> {
        cut.samples.iter().map(|sample| sample.duration.ticks()).collect()
    }

    #[test]
    fn a_segment_ends_where_the_next_idr_is_or_before_by_word() {
        let mut segmenter = Segmenter::default();
        segmenter.begin();
        assert_eq!(segmenter.push(packet(0, true)), None);
        assert_eq!(segmenter.push(packet(30_000, false)), None);
        let cut = segmenter.push(packet(90_000, true)).unwrap();
        assert_eq!((cut.start, cut.duration), (at(0), at(90_000)));
        assert_eq!(durations(&cut), [30_000, 60_000]);
        let early = segmenter.close(at(180_000)).unwrap();
        assert_eq!(durations(&early), [90_000]);
        assert_eq!(segmenter.push(packet(180_000, true)), None, "it is out already");
        assert!(!segmenter.close(at(270_000)).unwrap().discontinuity);
    }

    #[test]
    fn nothing_before_the_first_idr_counts() {
        let mut segmenter = Segmenter::default();
        segmenter.begin();
        assert_eq!(segmenter.push(packet(0, false)), None);
        assert_eq!(segmenter.dropped(), 1);
        assert_eq!(segmenter.close(at(10)), None);
    }

    #[test]
    fn another_encoder_that_is_quick_leaves_no_hole() {
        let mut segmenter = Segmenter::default();
        segmenter.begin();
        segmenter.push(packet(0, true));
        segmenter.begin();
        assert_eq!(segmenter.push(packet(40_000, false)), None, "it refers to nothing");
        let cut = segmenter.push(packet(60_000, true)).unwrap();
        assert_eq!((cut.duration, cut.encoder), (at(60_000), 0));
        let cut = segmenter.close(at(150_000)).unwrap();
        assert!(cut.discontinuity);
        assert_eq!(cut.encoder, 1);
    }

    #[test]
    fn a_long_silence_is_a_hole_not_a_long_segment() {
        let mut segmenter = Segmenter::default();
        segmenter.begin();
        segmenter.push(packet(0, true));
        let cut = segmenter.push(packet(900_000, true)).unwrap();
        assert_eq!(cut.duration, Segmenter::LONGEST);
        assert!(segmenter.close(at(990_000)).unwrap().discontinuity);
    }

    #[test]
    fn a_segment_that_is_too_large_loses_its_tail() {
        let mut segmenter = Segmenter::default();
        segmenter.begin();
        segmenter.push(packet(0, true));
        let large = Bytes::from(vec![0; Segmenter::MOST_BYTES]);
        segmenter.push(Packet { time: at(1), idr: false, data: large });
        segmenter.push(packet(2, false));
        assert_eq!(segmenter.close(at(90_000)).unwrap().samples.len(), 1);
        assert_eq!(segmenter.dropped(), 2);
    }

    proptest! {
        #[test]
        fn segments_tile_the_time(
            steps in prop::collection::vec((0_u64..100_000, 0_u8..8), 0..200),
        ) {
            let mut segmenter = Segmenter::default();
            segmenter.begin();
            let (mut now, mut end) = (0, None);
            for (by, kind) in steps {
                now += by;
                let cut = match kind {
                    0 => { segmenter.begin(); None }
                    1 => segmenter.close(at(now)),
                    2 | 3 => segmenter.push(packet(now, true)),
                    4 => segmenter.push(packet(now.saturating_sub(50_000), true)),
                    _ => segmenter.push(packet(now, false)),
                };
                let Some(cut) = cut else { continue };
                prop_assert!(cut.samples[0].idr);
                prop_assert!(cut.samples.iter().all(|sample| sample.duration > MediaTime::ZERO));
                let sum: u64 = durations(&cut).iter().sum();
                prop_assert_eq!(sum, cut.duration.ticks());
                prop_assert!(cut.duration <= Segmenter::LONGEST + at(1));
                if let Some(end) = end {
                    prop_assert!(cut.start >= end);
                    prop_assert!(cut.start == end || cut.discontinuity);
                }
                end = Some(cut.start + cut.duration);
            }
        }
    }
}
