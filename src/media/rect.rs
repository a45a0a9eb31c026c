use std::ops::Range;

use crate::units::Size;

/// A rectangle of pixels inside a picture; `width` and `height` may be zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Rect {
    pub const fn new(x: u32, y: u32, width: u32, height: u32) -> Self {
        Self { x, y, width, height }
    }

    pub const fn whole(size: Size) -> Self {
        Self::new(0, 0, size.width, size.height)
    }

    pub const fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    pub const fn right(self) -> u32 {
        self.x + self.width
    }

    pub const fn bottom(self) -> u32 {
        self.y + self.height
    }

    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The part of this rectangle inside `other`, or `None` when they share no pixel.
    pub fn intersection(self, other: Self) -> Option<Self> {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let (right, bottom) = (self.right().min(other.right()), self.bottom().min(other.bottom()));
        (x < right && y < bottom).then(|| Self::new(x, y, right - x, bottom - y))
    }

    /// The smallest rectangle around both.
    pub fn union(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let (right, bottom) = (self.right().max(other.right()), self.bottom().max(other.bottom()));
        Self::new(x, y, right - x, bottom - y)
    }
}

/// What changed in a picture since it was last looked at: a few rectangles, which may overlap.
///
/// Bounded: beyond [`Damage::MOST`] rectangles the two that waste least are merged, so a page that
/// changes in a thousand spots costs a larger area, never a longer list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Damage {
    rects: Vec<Rect>,
}

impl Damage {
    /// Enough for a page with a dozen widgets; scanning the list stays cheaper than a row of pixels.
    pub const MOST: usize = 16;

    pub const fn none() -> Self {
        Self { rects: Vec::new() }
    }

    pub fn whole(size: Size) -> Self {
        Self { rects: vec![Rect::whole(size)] }
    }

    pub fn is_empty(&self) -> bool {
        self.rects.is_empty()
    }

    pub fn rects(&self) -> &[Rect] {
        &self.rects
    }

    pub fn add(&mut self, rect: Rect) {
        if rect.is_empty() || self.rects.iter().any(|held| held.union(rect) == *held) {
            return;
        }
        self.rects.retain(|held| rect.union(*held) != rect);
        self.rects.push(rect);
        if self.rects.len() > Self::MOST {
            self.merge_cheapest_pair();
        }
    }

    /// The rows with damage, as disjoint ranges with even ends in rising order; `height` is even.
    pub fn even_rows(&self, height: u32) -> Vec<Range<u32>> {
        let even = |rect: &Rect| rect.y & !1..rect.bottom().next_multiple_of(2).min(height);
        let mut ranges: Vec<_> = self.rects.iter().map(even).collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, held| {
            let touches = next.start <= held.end;
            if touches {
                held.end = held.end.max(next.end);
            }
            touches
        });
        ranges
    }

    /// Returns what there is and starts anew.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }

    fn merge_cheapest_pair(&mut self) {
        let waste = |a: Rect, b: Rect| a.union(b).area().saturating_sub(a.area() + b.area());
        let pairs = (0..self.rects.len()).flat_map(|b| (0..b).map(move |a| (a, b)));
        if let Some((a, b)) = pairs.min_by_key(|&(a, b)| waste(self.rects[a], self.rects[b])) {
            // `b` is the later index: removing it first leaves `a` where it was.
            let (second, first) = (self.rects.swap_remove(b), self.rects.swap_remove(a));
            self.rects.push(first.union(second));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_rectangle_inside_another_adds_nothing() {
        let mut damage = Damage::none();
        damage.add(Rect::new(0, 0, 100, 100));
        damage.add(Rect::new(10, 10, 5, 5));
        assert_eq!(damage.rects(), [Rect::new(0, 0, 100, 100)]);
        damage.add(Rect::new(0, 0, 200, 200));
        assert_eq!(damage.rects(), [Rect::new(0, 0, 200, 200)]);
    }

    #[test]
    fn rows_are_even_disjoint_and_in_order() {
        let mut damage = Damage::none();
        for rect in [(0, 41, 1, 2), (9, 3, 1, 3), (0, 7, 1, 1), (5, 99, 1, 1)] {
            damage.add(Rect::new(rect.0, rect.1, rect.2, rect.3));
        }
        assert_eq!(damage.even_rows(100), [2..8, 40..44, 98..100]);
    }

    proptest! {
        #[test]
        fn damage_is_bounded_and_loses_no_pixel(
            rects in prop::collection::vec((0_u32..60, 0_u32..60, 0_u32..9, 0_u32..9), 0..60),
        ) {
            let mut damage = Damage::none();
            for &(x, y, width, height) in &rects {
                damage.add(Rect::new(x, y, width, height));
            }
            prop_assert!(damage.rects().len() <= Damage::MOST);
            for (x, y, width, height) in rects {
                let rect = Rect::new(x, y, width, height);
                let held = |x, y| {
                    damage.rects().iter().any(|r| r.intersection(Rect::new(x, y, 1, 1)).is_some())
                };
                prop_assert!((x..rect.right()).all(|x| (y..rect.bottom()).all(|y| held(x, y))));
            }
        }
    }
}
