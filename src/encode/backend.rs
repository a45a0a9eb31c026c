//! The encoders, as a table in order of preference, and one opened encoder.

use bytes::Bytes;
use ffmpeg_next::{
    self as ffmpeg, Dictionary, Packet, Rational, codec, encoder, format::Pixel, frame, picture,
};
use thiserror::Error;

use super::{
    convert::{ConvertError, Converter},
    planes::nv12_mut,
};
use crate::{
    media::{
        Damage, MediaTime, StreamInfo,
        h264::{NAL_PPS, NAL_SPS, nal_type, nal_units},
    },
    session::ports::EncoderSpec,
};

/// A way to encode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// In software, by libx264.
    X264,
}

/// What there is, best first.
pub const BACKENDS: [Backend; 1] = [Backend::X264];

/// Why nothing comes out of an encoder.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// The linked libavcodec was built without it.
    #[error("libavcodec has no encoder {0}; install Debian's libavcodec-extra")]
    Missing(&'static str),
    #[error("opening {name} for {size}: {cause}", size = spec.size)]
    Open {
        name: &'static str,
        spec: EncoderSpec,
        #[source]
        cause: ffmpeg::Error,
    },
    /// libavutil gave no memory for a picture.
    #[error("allocating a picture for {0}")]
    Picture(&'static str),
    #[error("encoding with {name}: {cause}")]
    Encode {
        name: &'static str,
        #[source]
        cause: ffmpeg::Error,
    },
    /// It took a picture and gave nothing back; with no B-frames and no look-ahead it must.
    #[error("{0} gave no packet for a picture")]
    Silent(&'static str),
    /// Its first packet did not bring the parameter sets.
    #[error("{0} wrote no parameter sets")]
    Headless(&'static str),
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

impl Backend {
    /// Its name in libavcodec's words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::X264 => "libx264",
        }
    }

    fn options(self, spec: &EncoderSpec) -> Vec<(&'static str, String)> {
        let rate = spec.bit_rate.bits_per_second().to_string();
        let common = [
            ("profile", "high".to_owned()),
            // What every Cast device takes, and enough for 1080p30 and 720p60.
            ("level", "4.1".to_owned()),
            ("bf", "0".to_owned()),
            // IDRs come when asked for, never by themselves.
            ("g", "2147483647".to_owned()),
            ("sc_threshold", "0".to_owned()),
            ("flags", "+cgop".to_owned()),
            ("maxrate", rate.clone()),
            ("bufsize", rate),
            ("color_primaries", "bt709".to_owned()),
            ("color_trc", "bt709".to_owned()),
            ("colorspace", "bt709".to_owned()),
            ("color_range", "tv".to_owned()),
        ];
        let own = match self {
            Self::X264 => X264_OPTIONS.map(|(name, value)| (name, value.to_owned())),
        };
        common.into_iter().chain(own).collect()
    }
}

/// Constant quality below the cap, no delay: a picture that goes in comes out.
const X264_OPTIONS: [(&str, &str); 4] = [
    ("preset", "superfast"),
    // Near what 4:2:0 can hold at all: a page that stands still is looked at for long. The cap holds
    // what moves.
    ("crf", "10"),
    ("forced-idr", "1"),
    (
        "x264-params",
        // No look-ahead, no macroblock tree and no wait for the next time stamp, which would all hold
        // pictures back. No weighted prediction, which is for fades. No adaptive quantisation: it
        // takes from edges to give to gradients, and text is edges. Chroma gets as much as luma, for
        // dashboards are thin coloured lines.
        "force-cfr=1:rc-lookahead=0:sync-lookahead=0:mbtree=0:threads=1:weightp=0:aq-mode=0\
         :chroma-qp-offset=-6",
    ),
];

/// An opened encoder with the picture that it encodes.
pub struct Encoder {
    backend: Backend,
    encoder: encoder::Video,
    converter: Converter,
    picture: frame::Video,
    packet: Packet,
    budget: Budget,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl Encoder {
    /// Opens a backend.
    ///
    /// # Errors
    /// It is not in this libavcodec, or refuses the size or an option.
    pub fn open(backend: Backend, spec: &EncoderSpec) -> Result<Self, EncodeError> {
        let name = backend.name();
        let open = |cause| EncodeError::Open { name, spec: spec.clone(), cause };
        ffmpeg::log::set_level(ffmpeg::log::Level::Error);
        let codec = encoder::find_by_name(name).ok_or(EncodeError::Missing(name))?;
        let context = codec::Context::new_with_codec(codec);
        let mut video = context.encoder().video().map_err(open)?;
        video.set_width(spec.size.width);
        video.set_height(spec.size.height);
        video.set_format(Pixel::NV12);
        video.set_time_base(Rational(1, 90_000));
        video.set_frame_rate(Some(Rational(
            i32::try_from(spec.frame_rate.per_second()).unwrap_or(30),
            1,
        )));
        let options = backend.options(spec);
        let options: Dictionary =
            options.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let encoder = video.open_with(options).map_err(open)?;
        let mut picture = frame::Video::new(Pixel::NV12, spec.size.width, spec.size.height);
        // Black, so that nothing undefined is ever encoded.
        let planes = nv12_mut(&mut picture).ok_or(EncodeError::Picture(name))?;
        planes.luma.fill(16);
        planes.chroma.fill(128);
        Ok(Self {
            backend,
            encoder,
            converter: Converter::new(spec.size),
            picture,
            packet: Packet::empty(),
            budget: Budget::new(spec),
        })
    }

    pub const fn backend(&self) -> Backend {
        self.backend
    }

    /// Brings the picture up to date where the screen's pixels are damaged.
    ///
    /// # Errors
    /// The pixels are not of this encoder's size.
    pub fn update(&mut self, pixels: &[u8], damage: &Damage) -> Result<(), EncodeError> {
        let mut picture =
            nv12_mut(&mut self.picture).ok_or(EncodeError::Picture(self.backend.name()))?;
        Ok(self.converter.update(pixels, damage, &mut picture)?)
    }

    /// Encodes the picture.
    ///
    /// # Errors
    /// The encoder failed; it cannot be used any more.
    pub fn encode(&mut self, at: MediaTime, idr: bool) -> Result<Bytes, EncodeError> {
        let name = self.backend.name();
        let failed = |cause| EncodeError::Encode { name, cause };
        if let Some(rate) = self.budget.rate_for(at) {
            self.encoder.set_max_bit_rate(rate);
        }
        self.picture.set_pts(i64::try_from(at.ticks()).ok());
        self.picture.set_kind(if idr { picture::Type::I } else { picture::Type::None });
        self.encoder.send_frame(&self.picture).map_err(failed)?;
        match self.encoder.receive_packet(&mut self.packet) {
            Ok(()) => {}
            Err(ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => {
                return Err(EncodeError::Silent(name));
            }
            Err(cause) => return Err(failed(cause)),
        }
        self.packet.data().map(Bytes::copy_from_slice).ok_or(EncodeError::Silent(name))
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
                .ok_or(EncodeError::Headless(self.backend.name()))
        };
        Ok(StreamInfo {
            encoder: self.backend.name().to_owned(),
            size: spec.size,
            frame_rate: spec.frame_rate,
            bit_rate: spec.bit_rate,
            sps: find(NAL_SPS)?,
            pps: find(NAL_PPS)?,
        })
    }
}

/// The cap on the bit rate, for pictures that come when they like.
///
/// libx264 models the receiver's buffer as if each picture lasted `1 / frame rate`; it can go by time
/// stamps only with a picture's delay. After a pause of *n* frames the buffer has really been filled
/// *n* times as much, so the picture after it is encoded with *n* times the rate. At a steady frame
/// rate nothing ever changes.
#[derive(Debug)]
struct Budget {
    /// What may be sent in the time of one frame.
    rate: u64,
    frame_rate: u64,
    last: Option<MediaTime>,
    frames: u64,
}

impl Budget {
    fn new(spec: &EncoderSpec) -> Self {
        Self {
            rate: spec.bit_rate.bits_per_second(),
            frame_rate: u64::from(spec.frame_rate.per_second()),
            last: None,
            frames: 1,
        }
    }

    /// The rate to set before the picture at this time, when it differs from the one before.
    fn rate_for(&mut self, at: MediaTime) -> Option<usize> {
        let gap = self.last.replace(at).map_or(MediaTime::ZERO, |last| at.since(last)).ticks();
        let frame = MediaTime::TICKS_PER_SECOND / self.frame_rate;
        // The buffer holds one second: a longer pause fills it no further.
        let frames = ((gap + frame / 2) / frame).clamp(1, self.frame_rate);
        if frames == self.frames {
            return None;
        }
        self.frames = frames;
        usize::try_from(self.rate * frames).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::{BitRate, FrameRate, Size};

    #[test]
    fn pauses_fill_the_budget_and_a_second_is_the_most() {
        let mut budget = Budget::new(&EncoderSpec {
            size: Size::new(1920, 1080),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(5000),
        });
        let mut rate = |ticks| budget.rate_for(MediaTime::from_ticks(ticks));
        assert_eq!(rate(0), None, "the first picture has the plain rate");
        assert_eq!(rate(3_000), None);
        assert_eq!(rate(3_000 + 45_000), Some(15 * 5_000_000));
        assert_eq!(rate(3_000 + 90_000), None);
        assert_eq!(rate(3_000 + 900_000), Some(30 * 5_000_000));
        assert_eq!(rate(3_000 + 903_000), Some(5_000_000));
    }
}
