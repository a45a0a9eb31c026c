//! HLS playlists (RFC 8216) as values; their `Display` is the file.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{
    media::MediaTime,
    session::cast::Place,
    units::{FrameRate, Size},
};

/// The playlist that a player is given: one variant, everything about it said.
///
/// It is never left out, even for one variant: players of the Chromecast kind show nothing for a bare
/// media playlist without sound, and refuse codecs above what they support.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Master {
    /// Bits per second that no segment exceeds.
    pub(super) bandwidth: u64,
    pub(super) codecs: String,
    pub(super) size: Size,
    pub(super) frame_rate: FrameRate,
}

impl fmt::Display for Master {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bandwidth, codecs, size, frame_rate } = self;
        writeln!(f, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS")?;
        writeln!(
            f,
            "#EXT-X-STREAM-INF:BANDWIDTH={bandwidth},CODECS=\"{codecs}\",RESOLUTION={size},\
             FRAME-RATE={}.000",
            frame_rate.per_second()
        )?;
        writeln!(f, "media.m3u8")
    }
}

/// The segments that can be played now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Media {
    pub(super) entries: Vec<Entry>,
    pub(super) ended: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    /// Where it begins.
    pub(super) place: Place,
    pub(super) duration: MediaTime,
    pub(super) wall: Timestamp,
    /// How many discontinuities there are from the stream's beginning up to its own.
    pub(super) discontinuities: u64,
    /// The init segment's number.
    pub(super) init: u32,
}

impl Entry {
    /// Where it ends.
    pub(super) fn end(&self) -> Place {
        Place { taken: self.place.taken + self.duration, ..self.place }
    }
}

/// Segments last a second, and at most what still rounds to it.
const TARGET_DURATION: u32 = 1;
/// Where a player begins, in seconds from the end. RFC 8216 (4.3.5.2) wants three target durations;
/// with two, players are a second nearer to now and still have more than a segment in hand.
const START_OFFSET: &str = "-2.0";

impl fmt::Display for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.entries.first();
        let (sequence, mut discontinuities) =
            first.map_or((0, 0), |entry| (entry.sequence, entry.discontinuities));
        writeln!(f, "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:{TARGET_DURATION}")?;
        writeln!(f, "#EXT-X-START:TIME-OFFSET={START_OFFSET}")?;
        writeln!(f, "#EXT-X-MEDIA-SEQUENCE:{sequence}")?;
        writeln!(f, "#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}")?;
        let mut init = None;
        for entry in &self.entries {
            if entry.discontinuities != discontinuities {
                discontinuities = entry.discontinuities;
                init = None;
                writeln!(f, "#EXT-X-DISCONTINUITY")?;
            }
            if init != Some(entry.init) {
                writeln!(f, "#EXT-X-MAP:URI=\"init-{}.mp4\"", entry.init)?;
                init = Some(entry.init);
            }
            writeln!(f, "#EXT-X-PROGRAM-DATE-TIME:{:.3}", entry.wall)?;
            writeln!(f, "#EXTINF:{:.6},\n{}.m4s", entry.duration.as_secs_f64(), entry.sequence)?;
        }
        if self.ended {
            writeln!(f, "#EXT-X-ENDLIST")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64, discontinuities: u64, init: u32) -> Entry {
        Entry {
            sequence,
            place: Place { taken: MediaTime::ZERO, holes: MediaTime::ZERO },
            duration: MediaTime::from_ticks(90_000),
            wall: "2026-01-02T03:04:05.678Z".parse().unwrap(),
            discontinuities,
            init,
        }
    }

    #[test]
    fn the_master_playlist_says_everything_about_its_variant() {
        let master = Master {
            bandwidth: 5_500_000,
            codecs: "avc1.640029,mp4a.40.2".to_owned(),
            size: Size::new(1920, 1080),
            frame_rate: FrameRate::DEFAULT,
        };
        assert_eq!(
            master.to_string(),
            "#EXTM3U\n\
             #EXT-X-VERSION:7\n\
             #EXT-X-INDEPENDENT-SEGMENTS\n\
             #EXT-X-STREAM-INF:BANDWIDTH=5500000,CODECS=\"avc1.640029,mp4a.40.2\",\
             RESOLUTION=1920x1080,FRAME-RATE=30.000\n\
             media.m3u8\n"
        );
    }

    #[test]
    fn a_discontinuity_is_marked_with_its_init_segment() {
        let media = Media { entries: vec![entry(41, 3, 0), entry(42, 4, 1)], ended: false };
        assert_eq!(
            media.to_string(),
            "#EXTM3U\n\
             #EXT-X-VERSION:7\n\
             #EXT-X-TARGETDURATION:1\n\
             #EXT-X-START:TIME-OFFSET=-2.0\n\
             #EXT-X-MEDIA-SEQUENCE:41\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:3\n\
             #EXT-X-MAP:URI=\"init-0.mp4\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z\n\
             #EXTINF:1.000000,\n\
             41.m4s\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-MAP:URI=\"init-1.mp4\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:05.678Z\n\
             #EXTINF:1.000000,\n\
             42.m4s\n"
        );
    }

    #[test]
    fn only_an_ended_stream_has_an_end() {
        let media = |ended| Media { entries: Vec::new(), ended };
        assert!(!media(false).to_string().contains("ENDLIST"));
        assert!(media(true).to_string().ends_with("#EXT-X-ENDLIST\n"));
    }
}
