//! How often a page is asked for a picture: the less of it moves, the less often.

use super::draw::Changed;
use crate::{
    media::{Damage, FrameClock, Rect},
    units::Size,
};

/// Parts of the screen that are not much, and little.
const NOT_MUCH: u64 = 8;
const LITTLE: u64 = 64;

/// Pictures a second that look well. Needles, progress bars and blinking dots change a few thousand pixels;
/// a small video or a ticker moves more. What a page costs, its own scripts included, goes nearly in
/// proportion.
const SLOW: u64 = 4;
const MEDIUM: u64 = 15;

/// Follows where a page changes.
#[derive(Debug, Default)]
pub(super) struct Rhythm {
    /// What was not as before on the last picture.
    before: Damage,
}

impl Rhythm {
    /// Ticks of the clock until the page's next picture, after one on which this changed.
    pub(super) fn pace(&mut self, clock: FrameClock, changed: &Changed, size: Size) -> u64 {
        let is_within = |pixels: u64, part: u64| pixels * part <= size.pixels() as u64;
        let moved = share_of(changed, &self.before);
        // Pages often draw what is there already; that is no place where something had changed.
        if !changed.damage.is_empty() {
            self.before.clone_from(&changed.damage);
        }
        let rate = if !is_within(moved, NOT_MUCH) {
            clock.per_second()
        } else if !is_within(moved, LITTLE) {
            MEDIUM
        } else {
            SLOW
        };
        (clock.per_second() / rate).max(1)
    }
}

/// How many of the changed pixels are where something had changed before. Rectangles may overlap, so that it
/// is an estimate.
fn share_of(changed: &Changed, before: &Damage) -> u64 {
    let all: u64 = changed.damage.rects().iter().map(|rect| rect.area()).sum();
    let again = |rect: &Rect| {
        let shared = before.rects().iter().filter_map(|old| rect.intersection(*old));
        rect.area().min(shared.map(Rect::area).sum())
    };
    let again: u64 = changed.damage.rects().iter().map(again).sum();
    changed.pixels * again / all.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{media::MediaTime, units::FrameRate};

    const SIZE: Size = Size::new(1920, 1080);

    /// Rows of the screen that change, from one on.
    fn rows(first: u32, count: u32) -> Changed {
        let mut changed = Changed::default();
        changed.add(Rect::new(0, first, SIZE.width, count));
        changed
    }

    fn clock(rate: u32) -> FrameClock {
        FrameClock::new(MediaTime::ZERO, FrameRate::new(rate).unwrap())
    }

    #[test]
    fn what_moves_little_is_asked_for_less_often() {
        let paces = |rate| {
            [0, 10, 50, 200, 1080].map(|count| {
                let mut rhythm = Rhythm::default();
                rhythm.pace(clock(rate), &rows(0, count), SIZE);
                rhythm.pace(clock(rate), &rows(0, count), SIZE)
            })
        };
        assert_eq!(paces(30), [7, 7, 2, 1, 1]);
        assert_eq!(paces(60), [15, 15, 4, 1, 1]);
        assert_eq!(paces(10), [2, 2, 1, 1, 1], "never more often than the stream's rate");
        assert_eq!(paces(1), [1; 5]);
    }

    #[test]
    fn what_changes_in_one_place_after_the_other_does_not_move() {
        let mut rhythm = Rhythm::default();
        let charts = [(0, 100), (100, 100), (200, 200), (400, 200), (0, 100)];
        let paces = charts.map(|(first, count)| rhythm.pace(clock(30), &rows(first, count), SIZE));
        assert_eq!(paces, [7; 5]);
        // Half of it is where something was.
        assert_eq!(rhythm.pace(clock(30), &rows(50, 100), SIZE), 2);
    }

    #[test]
    fn what_moves_on_every_other_picture_moves() {
        let mut rhythm = Rhythm::default();
        rhythm.pace(clock(30), &rows(0, 1080), SIZE);
        let paces = [0, 1080, 0, 1080].map(|count| rhythm.pace(clock(30), &rows(0, count), SIZE));
        assert_eq!(paces, [7, 1, 7, 1]);
    }

    #[test]
    fn a_page_that_begins_to_move_is_followed_from_its_second_picture_on() {
        let mut rhythm = Rhythm::default();
        let paces = [(); 3].map(|()| rhythm.pace(clock(30), &rows(0, 1080), SIZE));
        assert_eq!(paces, [7, 1, 1]);
    }
}
