//! A known picture that moves, for an encoder to prove itself with.

use crate::units::Size;

/// Pictures with what dashboards have: even areas, slow gradients, hard edges as of letters, and
/// something that moves. The same at every call.
#[derive(Clone, Debug)]
pub struct Pattern {
    width: usize,
    still: Vec<u8>,
}

/// The bar that moves: its width, and by how much it goes from picture to picture.
const BAR: usize = 64;
const STEP: usize = 32;
const BAR_COLOUR: [u8; 4] = [40, 180, 240, 255];

impl Pattern {
    pub fn new(size: Size) -> Self {
        let Size { width, height } = size;
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| pixel(size, x, y)));
        Self { width: width as usize, still: pixels.flatten().collect() }
    }

    /// The picture of this number: BGRA, rows without padding.
    pub fn picture(&self, number: u32) -> Vec<u8> {
        let mut picture = self.still.clone();
        let left = number as usize * STEP % self.width.max(1);
        for row in picture.chunks_mut(self.width * 4) {
            let bar = row.chunks_exact_mut(4).skip(left).take(BAR);
            bar.for_each(|pixel| pixel.copy_from_slice(&BAR_COLOUR));
        }
        picture
    }
}

/// What stands still: blue, green, red, and no transparency.
fn pixel(size: Size, x: u32, y: u32) -> [u8; 4] {
    let level = |value: u32| u8::try_from(value & 0xff).unwrap_or(u8::MAX);
    match (y * 4 / size.height.max(1), x * 4 / size.width.max(1)) {
        // Letters of a kind: strokes of two to five pixels.
        (1, _) if (x / 6 + y / 10).is_multiple_of(3) && x % 6 < 2 + y % 4 => [230, 230, 230, 255],
        (1, _) => [30, 24, 20, 255],
        (2, column) if column % 2 == 0 => [level(x / 8), level(y), level(255 - x / 8), 255],
        (_, column) => [level(60 * column), level(40 + y / 16), 90, 255],
    }
}
