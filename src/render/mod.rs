//! From a page's address to pixels: Chromium, and the display it draws on.

pub mod compositor;
