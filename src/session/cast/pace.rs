//! How often something may be tried: connections, and starts of a player that keeps ending.

use std::time::Duration;

use super::super::backoff::Backoff;
use crate::media::MediaTime;

/// When to connect: about 1 s after a failure, doubling to a minute, for ever; and at most twice in
/// [`Pace::WINDOW`], whatever resets it.
#[derive(Debug)]
pub(super) struct Pace {
    backoff: Backoff,
    /// The last two attempts, the older one first.
    attempts: [Option<MediaTime>; 2],
    random: u64,
}

impl Pace {
    /// A TV that is booting answers badly, and an announcement may come each second.
    pub(super) const WINDOW: MediaTime = MediaTime::from_ticks(10 * MediaTime::TICKS_PER_SECOND);

    /// The seed keeps the TVs of a house from being called all at once when the power is back.
    pub(super) fn new(seed: u64) -> Self {
        Self { backoff: Backoff::default(), attempts: [None; 2], random: seed }
    }

    pub(super) fn attempt(&mut self, now: MediaTime) {
        self.attempts = [self.attempts[1], Some(now)];
    }

    pub(super) fn succeeded(&mut self, now: MediaTime) {
        self.backoff.succeeded(now);
    }

    /// Notes a failure, or a loss, and returns when to try again.
    pub(super) fn failed(&mut self, now: MediaTime) -> MediaTime {
        let wait = self.backoff.failed(now).max(now + MediaTime::SECOND).since(now).ticks();
        let wait = wait - wait / 4 * self.draw() / DRAWS;
        self.allowed_from(now + MediaTime::from_ticks(wait))
    }

    /// The TV is there after all: when to try at the earliest.
    pub(super) fn reset(&mut self, now: MediaTime) -> MediaTime {
        self.backoff = Backoff::default();
        self.allowed_from(now)
    }

    fn allowed_from(&self, wanted: MediaTime) -> MediaTime {
        self.attempts[0].map_or(wanted, |older| wanted.max(older + Self::WINDOW))
    }

    /// From 0 to [`DRAWS`], by the splitmix64 generator.
    fn draw(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % DRAWS
    }
}

const DRAWS: u64 = 1024;

/// Opens when the player was started again too often: whatever ends it is stronger than we are.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// The last starts, the oldest one first.
    starts: [Option<MediaTime>; Self::MOST],
}

impl Breaker {
    pub(super) const MOST: usize = 3;
    pub(super) const WINDOW: Duration = Duration::from_mins(5);

    /// When the player may be started again, which may be now.
    pub(super) fn allowed_from(&self, now: MediaTime) -> MediaTime {
        self.starts[0].map_or(now, |oldest| now.max(oldest + Self::WINDOW.into()))
    }

    pub(super) fn start(&mut self, now: MediaTime) {
        self.starts.rotate_left(1);
        self.starts[Self::MOST - 1] = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> MediaTime {
        Duration::from_secs(seconds).into()
    }

    #[test]
    fn waits_grow_to_a_minute_with_up_to_a_quarter_of_jitter() {
        let mut pace = Pace::new(7);
        let now = at(1000);
        let waits: Vec<_> = (0..9).map(|_| pace.failed(now).since(now).as_secs_f64()).collect();
        for (wait, whole) in waits.iter().zip([1.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]) {
            assert!((whole * 0.749..=whole).contains(wait), "{waits:?}");
        }
        assert_ne!(waits[7], waits[8], "no two TVs in step");
    }

    #[test]
    fn announcements_cannot_make_it_try_more_than_twice_in_ten_seconds() {
        let mut pace = Pace::new(7);
        let mut attempts = Vec::new();
        let mut now = at(0);
        while now < at(120) {
            attempts.push(now);
            pace.attempt(now);
            now = pace.reset(now).max(now + MediaTime::from_ticks(1));
        }
        for three in attempts.windows(3) {
            assert!(three[2].since(three[0]) >= Pace::WINDOW, "{three:?}");
        }
        assert!(attempts.len() >= 23, "{}", attempts.len());
    }

    #[test]
    fn three_starts_in_five_minutes_are_enough() {
        let mut breaker = Breaker::default();
        for second in [0, 10, 20] {
            assert_eq!(breaker.allowed_from(at(second)), at(second));
            breaker.start(at(second));
        }
        assert_eq!(breaker.allowed_from(at(21)), at(300));
        breaker.start(at(300));
        assert_eq!(breaker.allowed_from(at(301)), at(310));
    }
}
