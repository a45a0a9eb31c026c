//! What a page says of itself when it is looked at.

use serde_json::Value;
use url::Url;

use crate::{session::ports::PageFailure, units::Size};

/// Titles are for a status line; pages put anything there.
const LONGEST_TITLE: usize = 200;

/// What of an address is compared.
const LONGEST_ADDRESS: usize = 2048;

/// Elements of a page, or of a shadow tree, up to which it is searched for shadow trees. Pages that ask for a login
/// are small, and others are looked at for as long as they are shown.
const MOST_ELEMENTS: usize = 5000;

/// What is evaluated in the page to look at it, after it has drawn; `null` where its scripts are in the way.
///
/// A page that is there in its own eyes may still be a picture behind on the display: its frame is
/// drawn after the event, and passes through raster and compositor. With the fourth animation frame
/// the first is through. A page that does not let frames come is looked at after a second.
///
/// Home Assistant's login has its fields in shadow trees. A field that nobody can see is none: many pages keep one
/// for later. Where the page should be is not said here, because that may be a secret, and scripts could read it.
pub(super) fn looking() -> String {
    format!(
        "new Promise(done => {{
    const fields = root => {{
        const all = root.querySelectorAll('*');
        const hosts = all.length > {MOST_ELEMENTS} ? [] : [...all];
        return [...root.querySelectorAll('input[type=password]'),
            ...hosts.flatMap(host => host.shadowRoot instanceof ShadowRoot ? fields(host.shadowRoot) : [])];
    }};
    const isSeen = field => {{
        const box = field.getBoundingClientRect();
        return field.checkVisibility({{checkOpacity: true, checkVisibilityCSS: true}})
            && box.width > 0 && box.left < innerWidth && box.right > 0
            && box.height > 0 && box.top < innerHeight && box.bottom > 0;
    }};
    let looked = false;
    const look = () => {{
        if (looked) return;
        looked = true;
        try {{
            done([document.title.slice(0, {LONGEST_TITLE}), innerWidth, innerHeight, devicePixelRatio,
                (location.host + location.pathname).slice(0, {LONGEST_ADDRESS}), fields(document).some(isSeen)]);
        }} catch {{
            done(null);
        }}
    }};
    const after = frames =>
        frames > 0 ? requestAnimationFrame(() => after(frames - 1)) : look();
    setTimeout(look, 1000);
    after(4);
}})"
    )
}

/// Where a page is, as far as that tells it from others: many sites lead to `https` by themselves, or add a slash,
/// and what follows the path is the page's own.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Address(String);

impl Address {
    pub(super) fn of(url: &Url) -> Self {
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Self::new(&format!("{}{port}{}", url.host_str().unwrap_or_default(), url.path()))
    }

    /// Of host and path.
    fn new(place: &str) -> Self {
        let place: String = place.chars().take(LONGEST_ADDRESS).collect();
        Self(place.trim_end_matches('/').to_owned())
    }
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
    address: Address,
    /// A field for a password can be seen.
    has_password_field: bool,
}

impl Shape {
    fn read(answer: &Value) -> Option<Self> {
        let number = |index: usize| {
            let number = answer.get(index)?.as_f64()?;
            (0.0..1e6).contains(&number).then_some(number)
        };
        Some(Self {
            width: number(1)?,
            height: number(2)?,
            ratio: number(3)?,
            address: Address::new(answer.get(4)?.as_str()?),
            has_password_field: answer.get(5)?.as_bool()?,
        })
    }

    /// What is wrong with it as a picture of this size and of the page that is wanted. A dashboard may well have a
    /// field for a password; one that somewhere else has one asks for a login.
    pub(super) fn wrong(&self, size: Size, wanted: &Address) -> Option<PageFailure> {
        if self.has_password_field && self.address != *wanted {
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
            let shape = |width, height| Shape {
                width,
                height,
                ratio,
                address: Address::default(),
                has_password_field: false,
            };
            assert!(shape(width, height).fills(size), "{ratio}");
            assert!(!shape(width - 4.0 / ratio.min(1.0), height).fills(size), "{ratio}");
        }
    }

    #[test]
    fn a_page_is_the_wanted_one_wherever_sites_lead_by_themselves() {
        let is_wanted = |wanted: &str, place: &str| {
            Address::of(&Url::parse(wanted).unwrap()) == Address::new(place)
        };
        for (wanted, place) in [
            ("http://me:secret@host:80/d/\u{201c}1\"?token=secret#a", "host/d/%E2%80%9C1%22"),
            ("https://host:8123/lovelace/", "host:8123/lovelace"),
            ("http://host/d", "host/d/"),
            ("http://host", "host/"),
            ("http://[fd00::1]:3000/d", "[fd00::1]:3000/d"),
        ] {
            assert!(is_wanted(wanted, place), "{wanted} {place}");
        }
        for place in ["host/login", "host:3000/d", "other/d", ""] {
            assert!(!is_wanted("http://host/d", place), "{place}");
        }
        let long = format!("http://host/{}", "a".repeat(3000));
        assert!(is_wanted(&long, &long["http://".len()..][..LONGEST_ADDRESS]));
    }
}
