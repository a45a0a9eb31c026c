//! How often a page is asked for a picture: the less it changes, the less often.

use crate::{media::FrameClock, units::Size};

/// Pictures a second for pages that change up to one part in so many of the screen at a time.
///
/// Needles, progress bars and blinking dots change a few thousand pixels and look well at five
/// pictures a second; a small video or a ticker changes more and gets fifteen. What a page costs, its
/// own scripts included, goes nearly in proportion.
const RATES: [(u64, u64); 2] = [(64, 5), (8, 15)];

/// Ticks of the clock until the page's next picture, after one that changed so many pixels.
pub(super) fn pace(clock: FrameClock, changed: u64, size: Size) -> u64 {
    let screen = size.pixels() as u64;
    RATES
        .iter()
        .find(|(part, _)| changed * part <= screen)
        .map_or(1, |(_, rate)| (clock.per_second() / rate).max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{media::MediaTime, units::FrameRate};

    #[test]
    fn what_changes_little_is_asked_for_less_often() {
        let size = Size::new(1920, 1080);
        let paces = |rate| {
            let clock = FrameClock::new(MediaTime::ZERO, FrameRate::new(rate).unwrap());
            [0, 20_000, 100_000, 300_000, 2_073_600].map(|changed| pace(clock, changed, size))
        };
        assert_eq!(paces(30), [6, 6, 2, 1, 1]);
        assert_eq!(paces(60), [12, 12, 4, 1, 1]);
        assert_eq!(paces(10), [2, 2, 1, 1, 1], "never more often than the stream's rate");
        assert_eq!(paces(1), [1; 5]);
    }
}
