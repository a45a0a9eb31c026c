//! From pixels on a [`Screen`](crate::media::Screen) to H.264 packets.
//!
//! A packet is made when the page changed, and one IDR each second whether or not it did, because
//! every segment must start with one. A picture that has not changed is not encoded again: the IDR
//! that is there is sent once more ([`repeat`]).
//!
//! What encodes is a list, best first ([`lineup`]). An encoder that fails or hangs gives way to the
//! next, one that is better takes over at the start of a segment, and the stream's time goes on.

mod budget;
mod codec;
mod convert;
mod encoder;
mod guard;
mod libav;
mod lineup;
mod pace;
mod pattern;
mod picture;
mod proof;
mod repeat;
mod run;
mod settings;
mod similarity;

pub use codec::EncodeError;
pub use convert::{ConvertError, Converter, Nv12Mut};
pub use encoder::Encoder;
pub use libav::hardware::DeviceStage;
pub use lineup::Lineup;
pub use pattern::Pattern;
pub use proof::{PICTURES, prove, spec};
pub use run::{Output, run};

/// Which of the encoders of H.264 that we know are built into the linked libavcodec, in its words.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    let known = ["h264_qsv", "h264_vaapi", "libx264"];
    known.into_iter().filter(|name| ffmpeg_next::encoder::find_by_name(name).is_some())
}

/// Which libav encodes, such as `5.1.6-0+deb12u1`.
pub fn libav_version() -> String {
    libav::version()
}
