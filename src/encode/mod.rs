//! From pixels on a [`Screen`](crate::media::Screen) to H.264 packets.
//!
//! A packet is made when the page changed, and one IDR each second whether or not it did, because
//! every segment must start with one. A picture that has not changed is not encoded again: the IDR
//! that is there is sent once more ([`repeat`]).

mod backend;
mod convert;
mod pace;
mod planes;
mod repeat;
mod run;

pub use backend::{BACKENDS, Backend, EncodeError, Encoder};
pub use convert::{ConvertError, Converter, Nv12Mut};
pub use run::{Output, run};
