//! From encoded pictures to what a player can fetch: CMAF segments, playlists, an endless file.
//!
//! Everything is held in memory and bounded. Times are media times since the stream's first picture,
//! across every restart of an encoder; sequence numbers never start again.

mod library;
mod live;
mod mp4;
mod playlist;
mod segmenter;
mod silence;
mod store;
mod trail;

pub use library::{Library, Shelf};
pub use live::{LiveStream, StreamOptions};
