//! From a page's address to pixels: Chromium, the display it draws on, and what is shown when there
//! is no page to show.

pub mod browser;
pub mod compositor;
pub mod picture;
pub mod slate;
