//! From a page's address to its pixels.

pub mod browser;
