//! A picture for people: PNG.

use std::io;

use crate::units::Size;

/// Compresses BGRA pixels, rows without padding. Lossless and quick rather than small.
///
/// # Errors
/// The pixels are not of this size.
pub fn png(bgra: &[u8], size: Size) -> io::Result<Vec<u8>> {
    let rgb: Vec<u8> = bgra
        .as_chunks::<4>()
        .0
        .iter()
        .flat_map(|&[blue, green, red, _]| [red, green, blue])
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, size.width, size.height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&rgb)?;
    writer.finish()?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_survive() {
        let bytes = png(&[1, 2, 3, 0, 4, 5, 6, 255], Size::new(2, 1)).unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().unwrap();
        let mut pixels = vec![0; 6];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, [3, 2, 1, 6, 5, 4]);
    }

    #[test]
    fn pixels_of_another_size_are_refused() {
        assert!(png(&[0; 4], Size::new(2, 1)).is_err());
    }
}
