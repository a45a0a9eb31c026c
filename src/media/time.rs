use std::{ops, time::Duration};

use serde::{Deserialize, Serialize};

/// An instant or a span in media time: ticks of 1/90000 s, the clock of MPEG systems.
///
/// Instants count from the kernel's `CLOCK_MONOTONIC`, which every process of this program shares:
/// packets of a worker that was started again fall into place by themselves.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MediaTime(u64);

impl MediaTime {
    pub const ZERO: Self = Self(0);
    pub const SECOND: Self = Self(90_000);
    pub const TICKS_PER_SECOND: u64 = 90_000;

    pub const fn from_ticks(ticks: u64) -> Self {
        Self(ticks)
    }

    pub const fn ticks(self) -> u64 {
        self.0
    }

    /// Now, by `CLOCK_MONOTONIC`.
    pub fn now() -> Self {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        // The kernel's monotonic clock is never negative.
        let (seconds, nanos) = (now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs());
        Self(seconds * Self::TICKS_PER_SECOND + nanos * 9 / 100_000)
    }

    /// The span from `earlier` to here, zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }

    pub fn as_secs_f64(self) -> f64 {
        Duration::from(self).as_secs_f64()
    }
}

impl From<Duration> for MediaTime {
    fn from(span: Duration) -> Self {
        Self(span.as_secs() * Self::TICKS_PER_SECOND + u64::from(span.subsec_nanos()) * 9 / 100_000)
    }
}

impl From<MediaTime> for Duration {
    fn from(time: MediaTime) -> Self {
        let (seconds, ticks) =
            (time.0 / MediaTime::TICKS_PER_SECOND, time.0 % MediaTime::TICKS_PER_SECOND);
        Self::from_secs(seconds) + Self::from_nanos(ticks * 100_000 / 9)
    }
}

impl ops::Add for MediaTime {
    type Output = Self;

    fn add(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conversions_keep_whole_seconds_exact() {
        assert_eq!(MediaTime::from(Duration::from_secs(7)).ticks(), 630_000);
        assert_eq!(Duration::from(MediaTime::from_ticks(630_000)), Duration::from_secs(7));
        assert_eq!(MediaTime::from(Duration::from_millis(500)).ticks(), 45_000);
    }

    #[test]
    fn a_span_to_the_past_is_zero() {
        let (early, late) = (MediaTime::from_ticks(5), MediaTime::from_ticks(9));
        assert_eq!(late.since(early).ticks(), 4);
        assert_eq!(early.since(late), MediaTime::ZERO);
    }

    #[test]
    fn the_monotonic_clock_moves_on() {
        let first = MediaTime::now();
        assert!(MediaTime::now() >= first);
    }
}
