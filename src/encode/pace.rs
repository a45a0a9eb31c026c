//! When to encode what: the pure half of the encoding loop.

use crate::media::{FrameClock, MediaTime};

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing until the picture changes, and not beyond this time.
    WaitForDamage { until: MediaTime },
    /// Nothing until this time, even if the picture changes: this tick has had its picture.
    Wait { until: MediaTime },
    /// A segment starts at this time. An IDR is due, new or repeated.
    StartSegment { at: MediaTime },
    /// The picture changed: encode it for this time.
    Encode { at: MediaTime },
}

/// Decides on a [`FrameClock`]'s grid. A segment starts at every whole second after the first.
///
/// Packet times are ticks, so they are evenly spaced when the page animates; a change after a quiet
/// time is encoded at once, for the tick that just passed.
#[derive(Debug)]
pub(super) struct Pacer {
    clock: FrameClock,
    last: Option<u64>,
}

impl Pacer {
    pub(super) const fn new(clock: FrameClock) -> Self {
        Self { clock, last: None }
    }

    /// The next step. [`Step::StartSegment`] and [`Step::Encode`] count as done when returned.
    pub(super) fn step(&mut self, now: MediaTime, damaged: bool) -> Step {
        let tick = self.clock.tick_at(now);
        let second = self.clock.per_second();
        // After a long sleep the seconds missed stay missing: a segment simply lasted longer.
        let boundary = tick - tick % second;
        let Some(last) = self.last.filter(|&last| last >= boundary) else {
            self.last = Some(boundary);
            return Step::StartSegment { at: self.clock.time_of(boundary) };
        };
        if !damaged {
            return Step::WaitForDamage { until: self.clock.time_of(boundary + second) };
        }
        if tick > last {
            self.last = Some(tick);
            return Step::Encode { at: self.clock.time_of(tick) };
        }
        Step::Wait { until: self.clock.time_of(last + 1) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::units::FrameRate;

    const EPOCH: MediaTime = MediaTime::from_ticks(1_000);

    fn at(ticks: u64) -> MediaTime {
        EPOCH + MediaTime::from_ticks(ticks)
    }

    fn pacer() -> Pacer {
        Pacer::new(FrameClock::new(EPOCH, FrameRate::DEFAULT))
    }

    #[test]
    fn a_quiet_page_gets_one_step_a_second() {
        let mut pacer = pacer();
        assert_eq!(pacer.step(at(10), true), Step::StartSegment { at: at(0) });
        assert_eq!(pacer.step(at(20), false), Step::WaitForDamage { until: at(90_000) });
        assert_eq!(pacer.step(at(90_000), false), Step::StartSegment { at: at(90_000) });
        assert_eq!(pacer.step(at(90_010), false), Step::WaitForDamage { until: at(180_000) });
    }

    #[test]
    fn a_change_after_a_quiet_time_is_encoded_at_once() {
        let mut pacer = pacer();
        pacer.step(at(0), true);
        assert_eq!(pacer.step(at(30_500), true), Step::Encode { at: at(30_000) });
    }

    #[test]
    fn a_tick_has_one_picture() {
        let mut pacer = pacer();
        pacer.step(at(0), true);
        assert_eq!(pacer.step(at(100), true), Step::Wait { until: at(3_000) });
        assert_eq!(pacer.step(at(3_001), true), Step::Encode { at: at(3_000) });
        assert_eq!(pacer.step(at(3_002), true), Step::Wait { until: at(6_000) });
    }

    #[test]
    fn a_machine_that_slept_goes_on_at_the_current_second() {
        let mut pacer = pacer();
        pacer.step(at(0), true);
        let step = pacer.step(at(90_000 * 1_000 + 5), false);
        assert_eq!(step, Step::StartSegment { at: at(90_000 * 1_000) });
    }

    proptest! {
        #[test]
        fn times_rise_and_no_wait_is_in_vain(
            rate in 1_u32..=60,
            moves in prop::collection::vec((0_u64..200_000, any::<bool>()), 1..200),
        ) {
            let clock = FrameClock::new(EPOCH, FrameRate::new(rate).unwrap());
            let mut pacer = Pacer::new(clock);
            let (mut now, mut last, mut started) = (EPOCH, None, None);
            for (by, damaged) in moves {
                now = now + MediaTime::from_ticks(by);
                let step = pacer.step(now, damaged);
                match step {
                    Step::StartSegment { at } | Step::Encode { at } => {
                        prop_assert!(last.is_none_or(|last| at > last));
                        prop_assert!(at <= now);
                        last = Some(at);
                        if matches!(step, Step::StartSegment { .. }) {
                            prop_assert_eq!(at.since(EPOCH).ticks() % 90_000, 0);
                            started = Some(at);
                        }
                    }
                    Step::Wait { until } | Step::WaitForDamage { until } => {
                        prop_assert!(until > now);
                    }
                }
                prop_assert!(now.since(started.unwrap()) < MediaTime::SECOND);
            }
        }
    }
}
