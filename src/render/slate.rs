//! What is on the TV when the page cannot be: a plain picture with the reason in words.

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};

use crate::{session::ports::Slate, units::Size};

/// Blue, green, red, opaque: calm on a large screen in a dark room.
const BACKGROUND: [u8; 4] = [0x26, 0x1c, 0x17, 0xff];
const TITLE: [u8; 3] = [0xf4, 0xee, 0xe8];
const DETAIL: [u8; 3] = [0xb8, 0xa8, 0x9c];
/// The accent bar beside the text.
const ACCENT: [u8; 4] = [0x3c, 0xa0, 0xf0, 0xff];

/// As parts of the picture's height.
const TITLE_HEIGHT: f32 = 0.062;
const DETAIL_HEIGHT: f32 = 0.034;
const LEADING: f32 = 1.35;
/// As parts of the picture's width.
const MARGIN: f32 = 0.1;
/// More would run off the screen.
const MOST_LINES: usize = 9;

/// Draws a slate as BGRA pixels, rows without padding.
pub fn draw(slate: &Slate, size: Size) -> Vec<u8> {
    let mut pixels = BACKGROUND.repeat(size.pixels());
    // The font is part of the program and proven by test to be one.
    let Ok(font) = FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT) else {
        return pixels;
    };
    let [width, height] = [size.width, size.height].map(to_f32);
    let left = width * MARGIN;
    let room = width - 2.0 * left;
    let mut lines = wrap(&font, &slate.title, height * TITLE_HEIGHT, room)
        .into_iter()
        .map(|line| (line, height * TITLE_HEIGHT, TITLE))
        .collect::<Vec<_>>();
    for paragraph in slate.detail.lines() {
        for line in wrap(&font, paragraph, height * DETAIL_HEIGHT, room) {
            lines.push((line, height * DETAIL_HEIGHT, DETAIL));
        }
    }
    lines.truncate(MOST_LINES);
    let total: f32 = lines.iter().map(|(_, scale, _)| scale * LEADING).sum();
    let top = (height - total) / 2.0;
    bar(&mut pixels, size, left * 0.82, top, total);
    let mut baseline = top;
    for (line, scale, colour) in lines {
        baseline += scale * LEADING;
        text(&mut pixels, size, &font, &line, scale, (left, baseline - scale * 0.38), colour);
    }
    pixels
}

/// Breaks at spaces, and inside words that are longer than a line.
fn wrap(font: &FontRef<'_>, text: &str, scale: f32, room: f32) -> Vec<String> {
    let scaled = font.as_scaled(PxScale::from(scale));
    let width =
        |text: &str| text.chars().map(|c| scaled.h_advance(scaled.glyph_id(c))).sum::<f32>();
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let Some(line) = lines.last_mut() else { break };
        if !line.is_empty() && width(line) + width(" ") + width(word) <= room {
            line.push(' ');
            line.push_str(word);
            continue;
        }
        let mut part = String::new();
        let mut parts = Vec::new();
        for letter in word.chars() {
            part.push(letter);
            if width(&part) > room && part.chars().count() > 1 {
                part.pop();
                parts.push(std::mem::replace(&mut part, letter.to_string()));
            }
        }
        parts.push(part);
        if line.is_empty() {
            lines.pop();
        }
        lines.append(&mut parts);
    }
    lines
}

fn text(
    pixels: &mut [u8],
    size: Size,
    font: &FontRef<'_>,
    line: &str,
    scale: f32,
    (left, baseline): (f32, f32),
    colour: [u8; 3],
) {
    let scaled = font.as_scaled(PxScale::from(scale));
    let mut x = left;
    for letter in line.chars() {
        let id = scaled.glyph_id(letter);
        let glyph = id.with_scale_and_position(scale, point(x, baseline));
        x += scaled.h_advance(id);
        let Some(outline) = font.outline_glyph(glyph) else {
            continue;
        };
        let bounds = outline.px_bounds();
        outline.draw(|column, row, coverage| {
            let place = (bounds.min.x + to_f32(column), bounds.min.y + to_f32(row));
            if let Some(pixel) = pixel(pixels, size, place) {
                for (channel, &value) in pixel.iter_mut().zip(&colour) {
                    let mixed =
                        f32::from(*channel) * (1.0 - coverage) + f32::from(value) * coverage;
                    *channel = to_u8(mixed);
                }
            }
        });
    }
}

fn bar(pixels: &mut [u8], size: Size, left: f32, top: f32, height: f32) {
    let thickness = to_f32(size.height) * 0.006;
    let mut y = top;
    while y < top + height {
        let mut x = left;
        while x < left + thickness {
            if let Some(pixel) = pixel(pixels, size, (x, y)) {
                pixel.copy_from_slice(&ACCENT);
            }
            x += 1.0;
        }
        y += 1.0;
    }
}

/// The pixel at a place, `None` outside the picture.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "negative places are sorted out first, and float casts saturate"
)]
fn pixel(pixels: &mut [u8], size: Size, (x, y): (f32, f32)) -> Option<&mut [u8]> {
    if x < 0.0 || y < 0.0 {
        return None;
    }
    let (x, y) = (x as usize, y as usize);
    if x >= size.width as usize || y >= size.height as usize {
        return None;
    }
    let from = (y * size.width as usize + x) * 4;
    pixels.get_mut(from..from + 4)
}

#[expect(clippy::cast_precision_loss, reason = "screen coordinates are far below 2^24")]
fn to_f32(value: u32) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "float casts saturate, which is what a colour wants"
)]
fn to_u8(value: f32) -> u8 {
    value.round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(640, 360);

    fn font() -> FontRef<'static> {
        FontRef::try_from_slice(epaint_default_fonts::UBUNTU_LIGHT).unwrap()
    }

    fn slate(title: &str, detail: &str) -> Slate {
        Slate { title: title.to_owned(), detail: detail.to_owned() }
    }

    #[test]
    fn words_make_a_different_picture() {
        let empty = draw(&slate("", ""), SIZE);
        let one = draw(&slate("HTTP 500", "dash.lan"), SIZE);
        let other = draw(&slate("HTTP 502", "dash.lan"), SIZE);
        assert_eq!(empty.len(), SIZE.pixels() * 4);
        assert!(one != empty && one != other);
        let bright = one.as_chunks::<4>().0.iter().filter(|pixel| pixel[1] > 0xc0).count();
        assert!(bright > 100, "the title is readable: {bright} bright pixels");
    }

    #[test]
    fn long_words_and_texts_stay_inside() {
        let word = "x".repeat(3000);
        draw(&slate(&word, &format!("{word}\n\n{}", "word ".repeat(2000))), SIZE);
        let lines = wrap(&font(), &word, 20.0, 500.0);
        assert!(lines.len() > 10);
        assert_eq!(lines.concat(), word);
    }

    #[test]
    fn lines_break_at_spaces() {
        let lines = wrap(&font(), "one two three four five six seven", 20.0, 120.0);
        assert!(lines.len() > 1);
        assert_eq!(lines.join(" "), "one two three four five six seven");
    }
}
