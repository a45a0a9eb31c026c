//! How much an encoder may spend.

use crate::{media::MediaTime, session::ports::EncoderSpec};

/// The cap on the bit rate, for pictures that come when they like.
///
/// libx264 models the receiver's buffer as if each picture lasted `1 / frame rate`; it can go by time
/// stamps only with a picture's delay. After a pause of *n* frames the buffer has really been filled
/// *n* times as much, so the picture after it is encoded with *n* times the rate. At a steady frame
/// rate nothing ever changes.
///
/// libx264 counts that after the picture only, and a picture that had to be coarse makes the next ones
/// coarse for many pictures. On a page that moved and then stands still these may take minutes, or never
/// come. So the buffer is followed here as well, to tell when an encoder that remembers nothing does better.
#[derive(Debug)]
pub(super) struct Budget {
    /// What may be sent in a second.
    rate: u64,
    frame_rate: u64,
    last: Option<MediaTime>,
    /// The pause before the last picture.
    frames: u64,
    /// Bits in the receiver's buffer after the last picture: so many may be sent at once.
    level: u64,
    /// That was little, and the next pictures had to be coarse.
    fell_short: bool,
    /// From what level on an encoder that fell short is renewed.
    needed: u64,
}

impl Budget {
    /// The receiver's buffer in seconds: without a pause libx264 lets a picture have half of what is in there,
    /// and the first picture of a page, which stays if the page stands still, wants more than half a second's.
    pub(super) const SECONDS: u64 = 2;

    pub(super) fn new(spec: &EncoderSpec) -> Self {
        let rate = spec.bit_rate.bits_per_second();
        Self {
            rate,
            frame_rate: u64::from(spec.frame_rate.per_second()),
            last: None,
            frames: 1,
            level: rate * Self::SECONDS,
            fell_short: false,
            needed: rate * Self::SECONDS / 2,
        }
    }

    const fn capacity(&self) -> u64 {
        self.rate * Self::SECONDS
    }

    /// With less in the buffer libx264 begins to save.
    const fn enough(&self) -> u64 {
        self.capacity() / 2
    }

    /// Bits that may be sent at once at this time.
    pub(super) fn level_at(&self, at: MediaTime) -> u64 {
        let pause = self.last.map_or(MediaTime::ZERO, |last| at.since(last)).ticks();
        let filled = self.rate.saturating_mul(pause) / MediaTime::TICKS_PER_SECOND;
        self.level.saturating_add(filled).min(self.capacity())
    }

    /// Whether pictures had to be coarse and need not be any more.
    pub(super) fn has_recovered(&self, at: MediaTime) -> bool {
        self.fell_short && self.level_at(at) >= self.needed
    }

    /// Another encoder begins with what there is at this time.
    pub(super) fn renew(&mut self, at: MediaTime) {
        self.level = self.level_at(at);
        self.last = None;
        self.frames = 1;
        self.fell_short = false;
        // What is soon better than nothing is once as good as it gets. In between, a page that takes all
        // that there is would have an encoder opened for each of its seconds.
        let is_full = self.level == self.capacity();
        self.needed = if is_full { self.enough() } else { self.capacity() };
    }

    /// The rate to set before the picture at this time, when it differs from the one before.
    pub(super) fn rate_for(&mut self, at: MediaTime) -> Option<usize> {
        self.level = self.level_at(at);
        let gap = self.last.replace(at).map_or(MediaTime::ZERO, |last| at.since(last)).ticks();
        let frame = MediaTime::TICKS_PER_SECOND / self.frame_rate;
        // From nearly two seconds on libx264 would take the buffer for one that holds a single picture.
        let frames = ((gap + frame / 2) / frame).clamp(1, self.frame_rate);
        if frames == self.frames {
            return None;
        }
        self.frames = frames;
        usize::try_from(self.rate * frames).ok()
    }

    /// Counts the picture that [`rate_for`](Self::rate_for) was asked for.
    pub(super) fn spend(&mut self, bytes: usize) {
        let before = self.level;
        self.level = before.saturating_sub(8 * bytes as u64);
        // The first picture of a full buffer is as good as any.
        self.fell_short |= before < self.capacity() && self.level < self.enough();
    }

    /// Counts a picture that was sent again, of which libx264 knows nothing.
    pub(super) fn spend_again(&mut self, at: MediaTime, bytes: usize) {
        self.level = self.level_at(at).saturating_sub(8 * bytes as u64);
        self.last = Some(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BitRate, FrameRate, Size};

    /// Bytes in a second.
    const RATE: usize = 625_000;

    fn budget() -> Budget {
        Budget::new(&EncoderSpec {
            size: Size::new(1920, 1080),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(5000),
        })
    }

    fn seconds(seconds: u64) -> MediaTime {
        MediaTime::from_ticks(seconds * MediaTime::TICKS_PER_SECOND)
    }

    #[test]
    fn pauses_fill_the_budget_and_a_second_is_the_most() {
        let mut budget = budget();
        let mut rate = |ticks| budget.rate_for(MediaTime::from_ticks(ticks));
        assert_eq!(rate(0), None, "the first picture has the plain rate");
        assert_eq!(rate(3_000), None);
        assert_eq!(rate(3_000 + 45_000), Some(15 * 5_000_000));
        assert_eq!(rate(3_000 + 90_000), None);
        assert_eq!(rate(3_000 + 900_000), Some(30 * 5_000_000));
        assert_eq!(rate(3_000 + 903_000), Some(5_000_000));
    }

    #[test]
    fn who_fell_short_is_renewed_when_half_of_the_buffer_is_full_and_when_all_of_it_is() {
        let mut budget = budget();
        for second in 0..4 {
            budget.rate_for(seconds(second));
            budget.spend(RATE * 3 / 2);
        }
        assert!(!budget.has_recovered(seconds(3)));
        assert!(budget.has_recovered(seconds(4)));
        budget.renew(seconds(4));
        assert_eq!(budget.level_at(seconds(9)), 5_000_000, "nothing was sent since");
        assert!(!budget.has_recovered(seconds(9)));

        budget.rate_for(seconds(4));
        budget.spend(RATE / 2);
        assert!(!budget.has_recovered(seconds(5)));
        assert!(budget.has_recovered(seconds(6)));
        budget.renew(seconds(6));
        budget.rate_for(seconds(6));
        budget.spend(RATE * 3 / 2);
        assert!(!budget.has_recovered(seconds(20)), "that was as good as it gets");
    }

    #[test]
    fn a_page_that_takes_all_there_is_is_not_renewed_all_the_time() {
        let mut budget = budget();
        let mut renewals = 0;
        for half in 0..200 {
            let at = MediaTime::from_ticks(half * 45_000);
            if budget.has_recovered(at) {
                budget.renew(at);
                renewals += 1;
            }
            budget.rate_for(at);
            budget.spend(RATE / 2);
        }
        assert!(renewals <= 1, "{renewals}");
    }

    #[test]
    fn what_is_sent_again_counts() {
        let mut budget = budget();
        budget.rate_for(seconds(0));
        for second in 1..4 {
            budget.spend_again(seconds(second), RATE);
        }
        assert_eq!(budget.level_at(seconds(3)), 5_000_000);
    }

    #[test]
    fn who_stays_below_the_cap_has_nothing_to_recover_from() {
        let mut budget = budget();
        for second in 0..100 {
            budget.rate_for(seconds(second));
            budget.spend(RATE * 9 / 10);
            assert!(!budget.has_recovered(seconds(second + 10)), "after {second} s");
        }
    }

    #[test]
    fn the_largest_picture_of_a_full_buffer_is_as_good_as_it_gets() {
        let mut budget = budget();
        budget.rate_for(seconds(0));
        budget.spend(RATE * 3 / 2);
        assert!(!budget.has_recovered(seconds(10)));
    }
}
