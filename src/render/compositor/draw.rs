//! Putting layers of pixels together: plain functions over byte slices.
//!
//! Pixels are 4 bytes, blue first; alpha is premultiplied, as Wayland has it.

use crate::{
    media::{Damage, Rect},
    units::Size,
};

/// What differs from the picture before, after clients said that something may.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub(super) damage: Damage,
    /// How many pixels, to the nearest [`CELL`].
    pub(super) pixels: u64,
}

impl Changed {
    pub(super) fn add(&mut self, rect: Rect) {
        self.damage.add(rect);
        self.pixels += rect.area();
    }
}

/// A client's pixels, looked at in place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pixels<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) size: Size,
    /// Bytes from one row to the next.
    pub(super) stride: usize,
}

/// How a layer lies on the output: the part `source` of its buffer covers `target`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Placement {
    /// In the buffer, in pixels: x, y, width, height.
    pub(super) source: [f64; 4],
    /// On the output; the upper left corner may lie outside.
    pub(super) target: (i32, i32, Size),
}

impl Placement {
    /// The visible part of the layer on an output of this size.
    pub(super) fn visible(self, output: Size) -> Option<Rect> {
        let (x, y, size) = self.target;
        let clip = |from: i32, length: u32, most: u32| {
            let to = i64::from(from) + i64::from(length);
            let from = u32::try_from(from.max(0)).unwrap_or(0).min(most);
            let to = u32::try_from(to.max(0)).unwrap_or(u32::MAX).min(most);
            (from, to.saturating_sub(from))
        };
        let ((x, width), (y, height)) =
            (clip(x, size.width, output.width), clip(y, size.height, output.height));
        let rect = Rect::new(x, y, width, height);
        (!rect.is_empty()).then_some(rect)
    }

    /// The buffer's upper left pixel, when one buffer pixel is one output pixel.
    fn unscaled(self) -> Option<(u32, u32)> {
        let [x, y, width, height] = self.source;
        let (_, _, target) = self.target;
        let same = |length: f64, pixels: u32| (length - f64::from(pixels)).abs() < 0.01;
        (same(width, target.width) && same(height, target.height)).then(|| (whole(x), whole(y)))
    }

    /// The buffer's pixel that lies at the upper left of `rect` on the output, when one buffer pixel
    /// is one output pixel.
    fn origin(self, rect: Rect) -> Option<(i64, i64)> {
        let (sx, sy) = self.unscaled()?;
        let (tx, ty, _) = self.target;
        let from = |source: u32, on: u32, target: i32| {
            i64::from(source) + i64::from(on) - i64::from(target)
        };
        Some((from(sx, rect.x, tx), from(sy, rect.y, ty)))
    }

    /// A rectangle of buffer pixels, as it lies on the output; grown to whole pixels.
    pub(super) fn to_output(self, damage: [f64; 4], output: Size) -> Option<Rect> {
        let [sx, sy, sw, sh] = self.source;
        let (tx, ty, target) = self.target;
        if sw <= 0.0 || sh <= 0.0 {
            return None;
        }
        let (fx, fy) = (f64::from(target.width) / sw, f64::from(target.height) / sh);
        let left = f64::from(tx) + (damage[0] - sx) * fx;
        let top = f64::from(ty) + (damage[1] - sy) * fy;
        let right = left + damage[2] * fx;
        let bottom = top + damage[3] * fy;
        // A scaled picture's edge mixes into the neighbouring pixel.
        let slack = if self.unscaled().is_some() { 0.0 } else { 1.0 };
        let (x, y) = (whole(left - slack), whole(top - slack));
        let (right, bottom) = (whole((right + slack).ceil()), whole((bottom + slack).ceil()));
        let rect = Rect::new(x, y, right.saturating_sub(x), bottom.saturating_sub(y));
        rect.intersection(self.visible(output)?)
    }
}

/// Rounds down and clips to what a coordinate can be; a client may send anything.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate and the value is clamped first"
)]
fn whole(value: f64) -> u32 {
    value.clamp(0.0, f64::from(1 << 20)) as u32
}

/// Fills part of the output with black.
pub(super) fn clear(output: &mut [u8], size: Size, rect: Rect) {
    for row in rows(output, size, rect) {
        row.fill(0);
    }
}

/// Fills part of the output with one colour.
pub(super) fn fill(output: &mut [u8], size: Size, rect: Rect, colour: [u8; 4]) {
    for row in rows(output, size, rect) {
        for pixel in row.as_chunks_mut::<4>().0 {
            *pixel = over(colour, *pixel);
        }
    }
}

/// How many pixels of a row are compared at a time: enough for the processor's widest registers, and
/// few enough to see a needle move beside one that does not.
const CELL: usize = 32;

/// Draws as [`blit`] does an opaque layer, where it differs from what is there; adds that to
/// `changed`. Chromium says that a canvas changed whenever a script draws on it, and scripts draw the
/// same thing again and again. `false`, with nothing done, for a layer that has to be scaled.
pub(super) fn replace(
    output: &mut [u8],
    size: Size,
    rect: Rect,
    layer: Pixels<'_>,
    placement: &Placement,
    changed: &mut Changed,
) -> bool {
    let Some((from_x, from_y)) = placement.origin(rect) else {
        return false;
    };
    let mut band: Option<Rect> = None;
    for ((line, row), y) in rows(output, size, rect).enumerate().zip(rect.y..) {
        let source = layer.row(from_y, line, from_x, rect.width).unwrap_or_default();
        let mut part = None;
        for ((cell, now), x) in
            row.chunks_mut(CELL * 4).zip(source.chunks(CELL * 4)).zip((rect.x..).step_by(CELL))
        {
            if cell.get(..now.len()).is_some_and(|before| before != now) {
                cell[..now.len()].copy_from_slice(now);
                let width = u32::try_from(now.len() / 4).unwrap_or(0);
                changed.pixels += u64::from(width);
                let rect = Rect::new(x, y, width, 1);
                part = Some(part.map_or(rect, |part: Rect| part.union(rect)));
            }
        }
        band = match (band, part) {
            (Some(band), Some(part)) => Some(band.union(part)),
            (None, part) => part,
            (Some(band), None) => {
                changed.damage.add(band);
                None
            }
        };
    }
    if let Some(band) = band {
        changed.damage.add(band);
    }
    true
}

/// Draws the part of a layer inside `rect`, which must lie within the layer's visible part.
pub(super) fn blit(
    output: &mut [u8],
    size: Size,
    rect: Rect,
    layer: Pixels<'_>,
    placement: &Placement,
    opaque: bool,
) {
    if let Some((from_x, from_y)) = placement.origin(rect) {
        for (line, row) in rows(output, size, rect).enumerate() {
            let Some(source) = layer.row(from_y, line, from_x, rect.width) else {
                continue;
            };
            if opaque {
                row[..source.len()].copy_from_slice(source);
            } else {
                blend(row, source);
            }
        }
    } else {
        sample(output, size, rect, layer, placement);
    }
}

impl Pixels<'_> {
    /// `width` pixels of a row, fewer where the buffer ends, none outside it.
    fn row(&self, from_y: i64, line: usize, from_x: i64, width: u32) -> Option<&[u8]> {
        let y = usize::try_from(from_y).ok()?.checked_add(line)?;
        let x = usize::try_from(from_x).ok()?;
        let (columns, lines) = (self.size.width as usize, self.size.height as usize);
        if y >= lines || x >= columns {
            return None;
        }
        let begin = y * self.stride + x * 4;
        self.bytes.get(begin..begin + (width as usize).min(columns - x) * 4)
    }

    fn pixel(&self, x: u32, y: u32) -> Option<[u8; 4]> {
        let begin = y as usize * self.stride + x as usize * 4;
        self.bytes.get(begin..begin + 4)?.try_into().ok()
    }
}

fn rows(output: &mut [u8], size: Size, rect: Rect) -> impl Iterator<Item = &mut [u8]> {
    let (from, width) = (rect.x as usize * 4, rect.width as usize * 4);
    output
        .chunks_exact_mut(size.width as usize * 4)
        .skip(rect.y as usize)
        .take(rect.height as usize)
        .map(move |row| &mut row[from..from + width])
}

fn blend(row: &mut [u8], source: &[u8]) {
    let (pixels, _) = row.as_chunks_mut::<4>();
    for (pixel, &colour) in pixels.iter_mut().zip(source.as_chunks::<4>().0) {
        *pixel = over(colour, *pixel);
    }
}

/// Nearest pixel: layers are scaled only for backgrounds of one pixel and by pages that ask for odd
/// zooms of video, where Chromium has filtered before.
fn sample(output: &mut [u8], size: Size, rect: Rect, layer: Pixels<'_>, placement: &Placement) {
    let [sx, sy, sw, sh] = placement.source;
    let (tx, ty, target) = placement.target;
    let (step_x, step_y) = (sw / f64::from(target.width), sh / f64::from(target.height));
    let at = |position: u32, target: i32, source: f64, step: f64, length: u32| {
        let offset = f64::from(position) - f64::from(target) + 0.5;
        whole(source + offset * step).min(length.saturating_sub(1))
    };
    for (y, row) in (rect.y..).zip(rows(output, size, rect)) {
        let source_y = at(y, ty, sy, step_y, layer.size.height);
        for (x, pixel) in (rect.x..).zip(row.as_chunks_mut::<4>().0) {
            let source_x = at(x, tx, sx, step_x, layer.size.width);
            if let Some(colour) = layer.pixel(source_x, source_y) {
                *pixel = over(colour, *pixel);
            }
        }
    }
}

/// Porter-Duff "over" with premultiplied alpha.
fn over(top: [u8; 4], below: [u8; 4]) -> [u8; 4] {
    let rest = 255 - u32::from(top[3]);
    std::array::from_fn(|i| {
        let mixed = u32::from(top[i]) + (u32::from(below[i]) * rest + 127) / 255;
        u8::try_from(mixed).unwrap_or(u8::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: Size = Size::new(4, 3);

    fn at(output: &[u8], x: usize, y: usize) -> [u8; 4] {
        output[(y * 4 + x) * 4..][..4].try_into().unwrap()
    }

    fn place(x: i32, y: i32, size: Size) -> Placement {
        let source = [0.0, 0.0, f64::from(size.width), f64::from(size.height)];
        Placement { source, target: (x, y, size) }
    }

    #[test]
    fn a_layer_that_sticks_out_is_clipped() {
        let size = Size::new(3, 3);
        let bytes: Vec<u8> = (0..9_u8).flat_map(|n| [n + 1, 0, 0, 255]).collect();
        let layer = Pixels { bytes: &bytes, size, stride: 12 };
        let mut output = vec![0; OUTPUT.pixels() * 4];
        let placement = place(-1, 1, size);
        let visible = placement.visible(OUTPUT).unwrap();
        assert_eq!(visible, Rect::new(0, 1, 2, 2));
        blit(&mut output, OUTPUT, visible, layer, &placement, true);
        assert_eq!(at(&output, 0, 1)[0], 2, "the layer's second column is the first seen");
        assert_eq!(at(&output, 1, 2)[0], 6);
        assert_eq!(at(&output, 2, 1)[0], 0);
        assert_eq!(at(&output, 0, 0)[0], 0);
    }

    #[test]
    fn one_pixel_covers_its_whole_target() {
        let layer = Pixels { bytes: &[1, 2, 3, 255], size: Size::new(1, 1), stride: 4 };
        let placement = Placement { source: [0.0, 0.0, 1.0, 1.0], target: (0, 0, OUTPUT) };
        let mut output = vec![0; OUTPUT.pixels() * 4];
        blit(&mut output, OUTPUT, Rect::whole(OUTPUT), layer, &placement, true);
        assert!(output.as_chunks::<4>().0.iter().all(|pixel| *pixel == [1, 2, 3, 255]));
    }

    #[test]
    fn only_what_differs_is_drawn_and_told() {
        let size = Size::new(100, 6);
        let mut bytes = vec![7; size.pixels() * 4];
        let mut output = bytes.clone();
        for (x, y) in [(40, 1), (99, 2), (0, 5)] {
            bytes[(y * 100 + x) * 4] = 8;
        }
        let layer = Pixels { bytes: &bytes, size, stride: 400 };
        let (mut changed, whole) = (Changed::default(), Rect::whole(size));
        assert!(replace(&mut output, size, whole, layer, &place(0, 0, size), &mut changed));
        assert_eq!(output, bytes);
        assert_eq!(changed.damage.rects(), [Rect::new(32, 1, 68, 2), Rect::new(0, 5, 32, 1)]);
        assert_eq!(changed.pixels, 32 + 4 + 32);
        let mut changed = Changed::default();
        assert!(replace(&mut output, size, whole, layer, &place(0, 0, size), &mut changed));
        assert!(changed.damage.is_empty(), "the same again is no change");
    }

    #[test]
    fn half_transparent_layers_mix() {
        let mut output = vec![200; OUTPUT.pixels() * 4];
        fill(&mut output, OUTPUT, Rect::new(0, 0, 1, 1), [64, 0, 0, 128]);
        assert_eq!(at(&output, 0, 0)[..3], [164, 100, 100]);
        assert_eq!(at(&output, 1, 0), [200; 4]);
    }

    #[test]
    fn damage_follows_the_placement() {
        let placement = place(10, 20, Size::new(50, 50));
        let output = Size::new(100, 100);
        assert_eq!(
            placement.to_output([5.0, 5.0, 2.0, 2.0], output),
            Some(Rect::new(15, 25, 2, 2))
        );
        let doubled =
            Placement { source: [0.0, 0.0, 50.0, 50.0], target: (0, 0, Size::new(100, 100)) };
        let rect = doubled.to_output([10.0, 10.0, 5.0, 5.0], output).unwrap();
        assert_eq!(rect, Rect::new(19, 19, 12, 12));
        assert_eq!(placement.to_output([60.0, 0.0, 5.0, 5.0], output), None);
    }

    #[test]
    fn a_buffer_shorter_than_it_says_draws_what_is_there() {
        let layer = Pixels { bytes: &[7; 8], size: Size::new(4, 3), stride: 16 };
        let mut output = vec![0; OUTPUT.pixels() * 4];
        blit(&mut output, OUTPUT, Rect::whole(OUTPUT), layer, &place(0, 0, OUTPUT), true);
        assert!(output.iter().all(|&byte| byte == 0), "a row that is cut short is not drawn");
    }
}
