//! Reads the clock that the sample dashboard draws for machines.
//!
//! 32 squares of 24 × 24 in a picture 1920 wide, along the bottom from the left edge: Unix seconds,
//! most significant bit first, white for 1.

use std::io::Cursor;

const SQUARES: u32 = 32;
const SIDE: f64 = 24.0;
const WIDTH: f64 = 1920.0;
/// Below and above these, black and white stay themselves through an encoder; what lies between is
/// not the clock.
const BLACK: u8 = 64;
const WHITE: u8 = 192;

/// A picture, three bytes a pixel.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) rgb: Vec<u8>,
}

impl Picture {
    #[track_caller]
    pub(crate) fn from_png(png: &[u8]) -> Self {
        let mut decoder = png::Decoder::new(Cursor::new(png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().expect("a PNG");
        let mut bytes = vec![0; reader.output_buffer_size().expect("a PNG of sane size")];
        let info = reader.next_frame(&mut bytes).expect("a whole PNG");
        let rgb = match info.color_type {
            png::ColorType::Rgb => bytes,
            png::ColorType::Rgba => {
                bytes.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect()
            }
            png::ColorType::Grayscale => bytes.iter().flat_map(|&y| [y; 3]).collect(),
            other => panic!("a PNG of {other:?}"),
        };
        Self { width: info.width, height: info.height, rgb }
    }

    pub(crate) fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        let at = (y as usize * self.width as usize + x as usize) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    /// The time on the clock in Unix seconds, or why there is none.
    pub(crate) fn clock(&self) -> Result<u32, String> {
        let scale = f64::from(self.width) / WIDTH;
        let y = f64::from(self.height) - SIDE / 2.0 * scale;
        (0..SQUARES).try_fold(0, |time, square| {
            let x = (f64::from(square) + 0.5) * SIDE * scale;
            let (x, y) = (x as u32, y as u32);
            match self.pixel(x, y).map(|c| (c < BLACK, c > WHITE)) {
                [(true, _), (true, _), (true, _)] => Ok(time << 1),
                [(_, true), (_, true), (_, true)] => Ok(time << 1 | 1),
                _ => Err(format!(
                    "square {square} at {x},{y} is {:?}: neither black nor white",
                    self.pixel(x, y)
                )),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(time: u32, width: u32, height: u32) -> Picture {
        let side = SIDE * f64::from(width) / WIDTH;
        let mut picture = Picture { width, height, rgb: vec![100; (width * height * 3) as usize] };
        for y in 0..height {
            for x in 0..width {
                let square = (f64::from(x) / side) as u32;
                if square < SQUARES && f64::from(height - y) <= side {
                    let level = if time >> (31 - square) & 1 == 1 { 235 } else { 20 };
                    let at = ((y * width + x) * 3) as usize;
                    picture.rgb[at..at + 3].fill(level);
                }
            }
        }
        picture
    }

    #[test]
    fn a_drawn_clock_reads_as_its_time_at_any_size() {
        for (width, height) in [(1920, 1080), (1280, 720), (640, 360)] {
            let time = 1_795_456_789;
            assert_eq!(drawn(time, width, height).clock(), Ok(time), "{width}");
        }
    }

    #[test]
    fn a_picture_without_a_clock_has_no_time() {
        let mut picture = drawn(1, 1920, 1080);
        picture.rgb.fill(100);
        assert!(picture.clock().unwrap_err().contains("square 0"));
    }
}
