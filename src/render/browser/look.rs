//! What a page says of itself when it is looked at.

use serde_json::{Value, json};
use url::Url;

use crate::{session::ports::PageFailure, units::Size};

/// Titles are for a status line; pages put anything there.
const LONGEST_TITLE: usize = 200;

/// What is evaluated in the page to look at it, after it has drawn. `wanted` is where it was told to be.
///
/// A page that is there in its own eyes may still be a picture behind on the display: its frame is
/// drawn after the event, and passes through raster and compositor. With the fourth animation frame
/// the first is through. A page that does not let frames come is looked at after a second.
///
/// Home Assistant's login has its fields in shadow trees. Only somewhere else than wanted it is searched for:
/// a dashboard may well have such a field.
pub(super) fn looking(wanted: &Url) -> String {
    let wanted = json!(format!("{}{}", wanted.origin().ascii_serialization(), wanted.path()));
    format!(
        "new Promise(done => {{
    const asks = root => [...root.querySelectorAll('*')].some(element =>
        element.matches('input[type=password]') ? element.checkVisibility()
            : element.shadowRoot && asks(element.shadowRoot));
    const look = () => done([document.title.slice(0, {LONGEST_TITLE}), innerWidth, innerHeight,
        devicePixelRatio, location.origin + location.pathname !== {wanted} && asks(document)]);
    const after = frames =>
        frames > 0 ? requestAnimationFrame(() => after(frames - 1)) : look();
    setTimeout(look, 1000);
    after(4);
}})"
    )
}

/// The answer, as far as the page's scripts have not spoilt it.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) title: Option<String>,
    pub(super) shape: Option<Shape>,
}

impl Look {
    pub(super) fn read(answer: &Value) -> Self {
        let title = answer.get(0).and_then(Value::as_str);
        Self {
            title: title.map(|title| title.chars().take(LONGEST_TITLE).collect()),
            shape: Shape::read(answer),
        }
    }
}

/// How large a page is in its own eyes, and whether it is the one that was wanted.
#[derive(Debug)]
pub(super) struct Shape {
    width: f64,
    height: f64,
    /// Device pixels for one CSS pixel, zoom included.
    ratio: f64,
    asks_for_login: bool,
}

impl Shape {
    fn read(answer: &Value) -> Option<Self> {
        let number = |index: usize| {
            let number = answer.get(index)?.as_f64()?;
            (0.0..1e6).contains(&number).then_some(number)
        };
        let asks_for_login = answer.get(4).and_then(Value::as_bool).unwrap_or_default();
        Some(Self { width: number(1)?, height: number(2)?, ratio: number(3)?, asks_for_login })
    }

    /// What is wrong with it as a picture of this size.
    pub(super) fn wrong(&self, size: Size) -> Option<PageFailure> {
        if self.asks_for_login {
            return Some(PageFailure::Login);
        }
        let (width, height) = self.device_pixels();
        (!self.fills(size)).then_some(PageFailure::Viewport { width, height })
    }

    /// The page counts in whole CSS pixels and rounds down: up to one of them may be missing.
    fn fills(&self, size: Size) -> bool {
        let fills = |css: f64, device: u32| {
            (css * self.ratio - f64::from(device)).abs() <= self.ratio.max(1.0)
        };
        fills(self.width, size.width) && fills(self.height, size.height)
    }

    fn device_pixels(&self) -> (u32, u32) {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "for a message; each factor is between 0 and a million, and `as` saturates"
        )]
        let pixels = |css: f64| (css * self.ratio).round() as u32;
        (pixels(self.width), pixels(self.height))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zoomed_page_fills_the_output_although_it_counts_in_whole_pixels() {
        let size = Size::new(1280, 720);
        for ratio in [0.25, 0.5, 0.8, 1.0, 1.1, 1.25, 1.5, 1.75, 2.5, 3.3, 5.0] {
            let (width, height) = ((1280.0_f64 / ratio).floor(), (720.0_f64 / ratio).floor());
            let shape = |width, height| Shape { width, height, ratio, asks_for_login: false };
            assert!(shape(width, height).fills(size), "{ratio}");
            assert!(!shape(width - 4.0 / ratio.min(1.0), height).fills(size), "{ratio}");
        }
    }

    #[test]
    fn the_wanted_address_is_compared_without_what_is_secret_in_it() {
        let wanted = Url::parse("http://me:secret@host:80/d/\u{201c}1\"?token=secret#a").unwrap();
        let expression = looking(&wanted);
        assert!(expression.contains(r#"!== "http://host/d/%E2%80%9C1%22" &&"#), "{expression}");
        assert!(!expression.contains("secret"), "{expression}");
    }
}
