use std::time::Duration;

use crate::media::MediaTime;

/// How long to wait before the next try: at once the first time, then 1 s doubling to 60 s, for ever.
///
/// Success counts only after [`Backoff::SETTLED`], so that something which comes up and falls over
/// at once does not start again at once each time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    up_since: Option<MediaTime>,
}

impl Backoff {
    const FIRST: Duration = Duration::from_secs(1);
    const LONGEST: Duration = Duration::from_secs(60);
    const SETTLED: Duration = Duration::from_secs(30);

    pub(super) fn succeeded(&mut self, now: MediaTime) {
        self.up_since.get_or_insert(now);
    }

    /// Notes a failure and returns when to try again.
    pub(super) fn failed(&mut self, now: MediaTime) -> MediaTime {
        if let Some(since) = self.up_since.take()
            && now.since(since) >= Self::SETTLED.into()
        {
            self.failures = 0;
        }
        let wait = match self.failures {
            0 => Duration::ZERO,
            n => Self::FIRST.saturating_mul(1 << (n - 1).min(6)).min(Self::LONGEST),
        };
        self.failures = self.failures.saturating_add(1);
        now + wait.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> MediaTime {
        Duration::from_secs(seconds).into()
    }

    #[test]
    fn waits_grow_to_a_minute_and_stay_there() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> =
            (0..10).map(|_| backoff.failed(at(100)).since(at(100)).as_secs_f64()).collect();
        assert_eq!(waits, [0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0]);
    }

    #[test]
    fn a_short_success_does_not_reset() {
        let mut backoff = Backoff::default();
        backoff.failed(at(0));
        backoff.succeeded(at(1));
        assert_eq!(backoff.failed(at(5)), at(6));
        backoff.succeeded(at(7));
        backoff.succeeded(at(30));
        assert_eq!(backoff.failed(at(37)), at(37), "30 s after it came up it counts as settled");
    }
}
