//! One opened encoder with the picture that it encodes.

use bytes::Bytes;

use super::{
    codec::{Codec, EncodeError},
    guard::{Guarded, Opening},
    picture::Picture,
};
use crate::{
    media::{
        Damage, MediaTime, StreamInfo,
        h264::{NAL_PPS, NAL_SPS, nal_type, nal_units},
    },
    session::{Encoding, ports::EncoderSpec},
};

/// An opened encoder with the picture that it encodes.
pub struct Encoder {
    encoding: Encoding,
    engine: Engine,
    /// `None` while, and for ever after, the engine has it.
    picture: Option<Picture>,
}

enum Engine {
    /// libx264 always comes back.
    Here(Box<Codec>),
    Guarded(Guarded),
}

/// An encoder on its way.
pub(super) struct Pending {
    encoding: Encoding,
    state: State,
    spec: EncoderSpec,
}

enum State {
    Here,
    Elsewhere(Opening),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("encoding", &self.encoding).finish_non_exhaustive()
    }
}

impl Pending {
    pub(super) fn start(encoding: &Encoding, spec: &EncoderSpec) -> Result<Self, EncodeError> {
        let state = match encoding {
            Encoding::Software => State::Here,
            Encoding::Hardware { .. } => State::Elsewhere(Opening::start(encoding, spec)?),
        };
        Ok(Self { encoding: encoding.clone(), state, spec: spec.clone() })
    }

    pub(super) const fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// The encoder, when it is open or will not be.
    pub(super) fn poll(&self) -> Option<Result<Encoder, EncodeError>> {
        match &self.state {
            State::Here => Some(self.wait()),
            State::Elsewhere(opening) => {
                opening.poll().map(|opened| self.finish(Engine::Guarded(opened?)))
            }
        }
    }

    /// Waits for it.
    pub(super) fn wait(&self) -> Result<Encoder, EncodeError> {
        self.finish(match &self.state {
            State::Here => Engine::Here(Box::new(Codec::open(&self.encoding, &self.spec)?)),
            State::Elsewhere(opening) => Engine::Guarded(opening.wait()?),
        })
    }

    fn finish(&self, engine: Engine) -> Result<Encoder, EncodeError> {
        let encoding = self.encoding.clone();
        let picture = Picture::new(self.spec.size);
        match picture {
            None => Err(EncodeError::Picture(encoding)),
            picture => Ok(Encoder { encoding, engine, picture }),
        }
    }
}

impl Encoder {
    /// Opens an encoder.
    ///
    /// # Errors
    /// It is not in this libavcodec, has no device, hangs, or refuses the size or every way to set it
    /// up.
    pub fn open(encoding: &Encoding, spec: &EncoderSpec) -> Result<Self, EncodeError> {
        Pending::start(encoding, spec)?.wait()
    }

    pub const fn encoding(&self) -> &Encoding {
        &self.encoding
    }

    /// How it keeps the bit rate, such as `VBR`.
    pub fn rate_control(&self) -> &'static str {
        match &self.engine {
            Engine::Here(codec) => codec.rate_control(),
            Engine::Guarded(codec) => codec.rate_control(),
        }
    }

    /// What its VA-API driver calls itself, if it has one.
    pub fn driver(&self) -> Option<&str> {
        match &self.engine {
            Engine::Here(codec) => codec.driver(),
            Engine::Guarded(codec) => codec.driver(),
        }
    }

    /// Whether an IDR at this time may be finer than one before of the same picture.
    pub(super) fn has_recovered(&self, at: MediaTime) -> bool {
        match &self.engine {
            Engine::Here(codec) => codec.has_recovered(at),
            // What a driver remembers is its own.
            Engine::Guarded(_) => false,
        }
    }

    /// An IDR of so many bytes is sent again, which the receiver's buffer has to take.
    pub(super) fn repeats(&mut self, at: MediaTime, bytes: usize) {
        if let Engine::Here(codec) = &mut self.engine {
            codec.repeats(at, bytes);
        }
    }

    /// Brings the picture up to date where the screen's pixels are damaged.
    ///
    /// # Errors
    /// The pixels are not of this encoder's size, or it failed before.
    pub fn update(&mut self, pixels: &[u8], damage: &Damage) -> Result<(), EncodeError> {
        let picture = self.picture.as_mut();
        let picture = picture.ok_or_else(|| EncodeError::Ended(self.encoding.clone()))?;
        Ok(picture.update(pixels, damage)?)
    }

    /// Encodes the picture.
    ///
    /// # Errors
    /// The encoder failed or hangs; it cannot be used any more.
    pub fn encode(&mut self, at: MediaTime, idr: bool) -> Result<Bytes, EncodeError> {
        let picture = self.picture.take();
        let mut picture = picture.ok_or_else(|| EncodeError::Ended(self.encoding.clone()))?;
        let data = match &mut self.engine {
            Engine::Here(codec) => codec.encode(&mut picture, at, idr)?,
            Engine::Guarded(codec) => {
                let (back, data) = codec.encode(picture, at, idr)?;
                picture = back;
                data
            }
        };
        self.picture = Some(picture);
        Ok(data)
    }

    /// The picture's luma, as it will be encoded.
    pub(super) fn luma(&self) -> Option<Vec<u8>> {
        self.picture.as_ref().map(Picture::luma)
    }

    /// Describes the stream from its first IDR.
    ///
    /// # Errors
    /// The access unit has no parameter sets.
    pub fn describe(&self, spec: &EncoderSpec, idr: &[u8]) -> Result<StreamInfo, EncodeError> {
        let find = |kind| {
            nal_units(idr)
                .find(|nal| nal_type(nal) == kind)
                .map(Bytes::copy_from_slice)
                .ok_or_else(|| EncodeError::Headless(self.encoding.clone()))
        };
        Ok(StreamInfo {
            encoder: self.encoding.encoder().to_owned(),
            size: spec.size,
            frame_rate: spec.frame_rate,
            bit_rate: spec.bit_rate,
            sps: find(NAL_SPS)?,
            pps: find(NAL_PPS)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        encode::repeat::Repeatable,
        units::{BitRate, FrameRate, Size},
    };

    const SIZE: Size = Size::new(320, 180);

    /// Blocks in shades of grey, others for each seed.
    fn picture(seed: u32) -> Vec<u8> {
        let block = |x: u32, y: u32| (y / 8 * SIZE.width + x / 8 + 1).wrapping_mul(2 * seed + 1);
        let shade = |block: u32| (block.wrapping_mul(0x9e37_79b1) >> 24) as u8;
        (0..SIZE.height)
            .flat_map(|y| (0..SIZE.width).flat_map(move |x| [shade(block(x, y)); 4]))
            .collect()
    }

    fn encoder() -> Encoder {
        let spec = EncoderSpec {
            size: SIZE,
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(400),
        };
        Encoder::open(&Encoding::Software, &spec).unwrap()
    }

    fn encode(encoder: &mut Encoder, seed: u32, frame: u64, idr: bool) -> Bytes {
        encoder.update(&picture(seed), &Damage::whole(SIZE)).unwrap();
        encoder.encode(MediaTime::from_ticks(frame * 3_000), idr).unwrap()
    }

    #[test]
    fn a_page_that_moved_and_stands_still_is_sharp_a_second_later() {
        let sharp = encode(&mut encoder(), 0, 0, true).len();
        let mut encoder = encoder();
        for frame in 0..60 {
            encode(&mut encoder, u32::try_from(frame).unwrap(), frame, frame % 30 == 0);
        }
        let coarse = encode(&mut encoder, 0, 60, true).len();
        assert!(coarse < sharp / 2, "{coarse} of {sharp} bytes while it moves");
        assert!(encoder.has_recovered(MediaTime::from_ticks(90 * 3_000)));
        let still = [90, 120, 150, 180, 210];
        let still = still.map(|frame| encode(&mut encoder, 0, frame, true));
        let bytes = still.each_ref().map(Bytes::len);
        assert!(bytes[0] * 4 > sharp * 3, "{bytes:?} of {sharp}");
        assert!(bytes[2..].iter().all(|idr| idr * 20 > sharp * 19), "{bytes:?} of {sharp}");
        assert!(!encoder.has_recovered(MediaTime::from_ticks(600 * 3_000)), "again and again");
        // No two in a row have the same id, whichever encoder made them.
        let odd = still.map(|idr| Repeatable::new(&idr).is_some());
        assert!(odd.windows(2).all(|two| two[0] != two[1]), "{odd:?}");
        assert!(odd.contains(&true));
    }
}
