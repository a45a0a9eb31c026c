use super::MediaTime;
use crate::units::FrameRate;

/// The grid on which pictures may lie: tick *n* is at `epoch + n / rate`.
///
/// Compositor and encoder share one, so that a page that animates is asked for its next picture just
/// after the last one was taken, and pictures come out evenly spaced although commits jitter.
/// Whole seconds after the epoch are ticks exactly, whatever the rate.
#[derive(Clone, Copy, Debug)]
pub struct FrameClock {
    epoch: MediaTime,
    rate: FrameRate,
}

impl FrameClock {
    pub const fn new(epoch: MediaTime, rate: FrameRate) -> Self {
        Self { epoch, rate }
    }

    /// The last tick at or before `now`; 0 before the epoch.
    pub fn tick_at(self, now: MediaTime) -> u64 {
        let elapsed = now.since(self.epoch).ticks();
        // One more, because `time_of` rounds down and must be undone exactly.
        ((elapsed + 1) * self.per_second()).div_ceil(MediaTime::TICKS_PER_SECOND) - 1
    }

    pub fn time_of(self, tick: u64) -> MediaTime {
        self.epoch + MediaTime::from_ticks(tick * MediaTime::TICKS_PER_SECOND / self.per_second())
    }

    /// Ticks in one second.
    pub fn per_second(self) -> u64 {
        u64::from(self.rate.per_second())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_ticks_time_is_in_that_tick(rate in 1_u32..=60, tick in 0_u64..10_000_000) {
            let clock = FrameClock::new(MediaTime::from_ticks(77), FrameRate::new(rate).unwrap());
            let time = clock.time_of(tick);
            prop_assert_eq!(clock.tick_at(time), tick);
            prop_assert_eq!(clock.tick_at(time + MediaTime::from_ticks(1)), tick);
            let before_next = MediaTime::from_ticks(clock.time_of(tick + 1).ticks() - 1);
            prop_assert_eq!(clock.tick_at(before_next), tick);
        }

        #[test]
        fn seconds_are_exact(rate in 1_u32..=60, second in 0_u64..100_000) {
            let clock = FrameClock::new(MediaTime::ZERO, FrameRate::new(rate).unwrap());
            prop_assert_eq!(
                clock.time_of(second * u64::from(rate)).ticks(),
                second * MediaTime::TICKS_PER_SECOND
            );
        }
    }
}
