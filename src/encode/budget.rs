//! How much an encoder may spend.

use crate::{media::MediaTime, session::ports::EncoderSpec};

/// The cap on the bit rate, for pictures that come when they like.
///
/// libx264 models the receiver's buffer as if each picture lasted `1 / frame rate`; it can go by time
/// stamps only with a picture's delay. After a pause of *n* frames the buffer has really been filled
/// *n* times as much, so the picture after it is encoded with *n* times the rate. At a steady frame
/// rate nothing ever changes.
#[derive(Debug)]
pub(super) struct Budget {
    /// What may be sent in the time of one frame.
    rate: u64,
    frame_rate: u64,
    last: Option<MediaTime>,
    frames: u64,
}

impl Budget {
    pub(super) fn new(spec: &EncoderSpec) -> Self {
        Self {
            rate: spec.bit_rate.bits_per_second(),
            frame_rate: u64::from(spec.frame_rate.per_second()),
            last: None,
            frames: 1,
        }
    }

    /// The rate to set before the picture at this time, when it differs from the one before.
    pub(super) fn rate_for(&mut self, at: MediaTime) -> Option<usize> {
        let gap = self.last.replace(at).map_or(MediaTime::ZERO, |last| at.since(last)).ticks();
        let frame = MediaTime::TICKS_PER_SECOND / self.frame_rate;
        // The buffer holds one second: a longer pause fills it no further.
        let frames = ((gap + frame / 2) / frame).clamp(1, self.frame_rate);
        if frames == self.frames {
            return None;
        }
        self.frames = frames;
        usize::try_from(self.rate * frames).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BitRate, FrameRate, Size};

    #[test]
    fn pauses_fill_the_budget_and_a_second_is_the_most() {
        let mut budget = Budget::new(&EncoderSpec {
            size: Size::new(1920, 1080),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(5000),
        });
        let mut rate = |ticks| budget.rate_for(MediaTime::from_ticks(ticks));
        assert_eq!(rate(0), None, "the first picture has the plain rate");
        assert_eq!(rate(3_000), None);
        assert_eq!(rate(3_000 + 45_000), Some(15 * 5_000_000));
        assert_eq!(rate(3_000 + 90_000), None);
        assert_eq!(rate(3_000 + 900_000), Some(30 * 5_000_000));
        assert_eq!(rate(3_000 + 903_000), Some(5_000_000));
    }
}
