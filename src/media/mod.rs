//! What flows from the page to the TV, in the words of every stage: time, frames' geometry, packets.

pub mod h264;
mod packet;
mod rect;
mod time;

pub use packet::{Packet, StreamInfo};
pub use rect::{Damage, Rect};
pub use time::MediaTime;
