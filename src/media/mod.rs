//! What flows from the page to the TV, in the words of every stage: time, frames' geometry, packets.

mod choice;
mod frame_clock;
pub mod h264;
mod packet;
mod rect;
mod screen;
mod time;

pub use choice::{Audio, Mode, Quality};
pub use frame_clock::FrameClock;
pub use packet::{Packet, StreamInfo};
pub use rect::{Damage, Rect};
pub use screen::{Screen, Wake};
pub use time::MediaTime;
