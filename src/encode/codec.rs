//! An encoder of libavcodec, opened.

use std::mem;

use bytes::Bytes;
use ffmpeg_next::{
    self as ffmpeg, Packet, Rational, codec, encoder, format::Pixel, frame, picture,
};
use thiserror::Error;

use super::{
    budget::Budget,
    convert::ConvertError,
    libav::{
        hardware::{DeviceStage, Surfaces},
        log, options,
    },
    picture::Picture,
    settings::{Mode, modes},
};
use crate::{
    error::sentence,
    media::MediaTime,
    session::{Encoding, ports::EncoderSpec},
};

/// Why nothing comes out of an encoder.
#[derive(Debug, Error)]
pub enum EncodeError {
    /// The linked libavcodec was built without it.
    #[error("libavcodec has no encoder {0}; install Debian's libavcodec-extra")]
    Missing(&'static str),
    /// The GPU could not be opened.
    #[error("opening the GPU for {encoding}: {said}")]
    Device {
        encoding: Encoding,
        stage: DeviceStage,
        said: String,
        #[source]
        cause: ffmpeg::Error,
    },
    #[error("opening {encoding} for {size}: {said}", size = spec.size)]
    Open {
        encoding: Encoding,
        spec: Box<EncoderSpec>,
        /// What libav and the driver said about it.
        said: String,
        #[source]
        cause: ffmpeg::Error,
    },
    /// libavutil gave no memory for a picture.
    #[error("allocating a picture for {0}")]
    Picture(Encoding),
    #[error("encoding with {encoding}: {said}")]
    Encode {
        encoding: Encoding,
        said: String,
        #[source]
        cause: ffmpeg::Error,
    },
    /// It took a picture and gave nothing back; with no B-frames and no look-ahead it must.
    #[error("{0} gave no packet for a picture")]
    Silent(Encoding),
    /// Its first packet did not bring the parameter sets.
    #[error("{0} wrote no parameter sets")]
    Headless(Encoding),
    /// It did not come back in time.
    #[error("{0} hangs")]
    Hung(Encoding),
    /// The thread that it ran on ended.
    #[error("{0} ended unexpectedly")]
    Ended(Encoding),
    #[error(transparent)]
    Convert(#[from] ConvertError),
}

impl EncodeError {
    /// The driver did not come back, or may not.
    pub(super) const fn is_hang(&self) -> bool {
        matches!(self, Self::Hung(_))
    }
}

/// What there is to an encoder in our memory, which is libx264.
struct Memory {
    budget: Budget,
    spec: EncoderSpec,
    mode: Mode,
    /// The encoder has had no picture yet.
    is_new: bool,
    /// Of the last IDR, whichever encoder made it: 0 and 1 by turns.
    idr_id: u8,
}

/// One packet for one picture, in the thread that calls it.
pub(super) struct Codec {
    encoding: Encoding,
    encoder: encoder::Video,
    rate_control: &'static str,
    /// What the VA-API driver calls itself.
    driver: Option<String>,
    input: Input,
    packet: Packet,
}

/// Where its pictures are.
enum Input {
    /// In our memory. Its rate follows the pauses between pictures.
    Memory(Memory),
    /// In the GPU's, with the one that is there now.
    Gpu { surfaces: Surfaces, surface: frame::Video },
}

impl Codec {
    /// Opens an encoder in the best mode that it has.
    ///
    /// # Errors
    /// It is not in this libavcodec, has no device, or refuses the size or every mode.
    pub(super) fn open(encoding: &Encoding, spec: &EncoderSpec) -> Result<Self, EncodeError> {
        log::listen();
        let surfaces = match encoding {
            Encoding::Software => None,
            Encoding::Hardware { api, node, driver } => {
                Some(Surfaces::open(*api, node, *driver, spec.size).map_err(|(stage, cause)| {
                    EncodeError::Device {
                        encoding: encoding.clone(),
                        stage,
                        said: said(cause),
                        cause,
                    }
                })?)
            }
        };
        let mut failure = EncodeError::Missing(encoding.encoder());
        for mode in modes(encoding, spec) {
            match open_mode(encoding, spec, surfaces.as_ref(), &mode) {
                Ok(encoder) => {
                    return Ok(Self {
                        encoding: encoding.clone(),
                        encoder,
                        rate_control: mode.rate_control,
                        driver: log::after("VAAPI driver: "),
                        input: match surfaces {
                            None => Input::Memory(Memory {
                                budget: Budget::new(spec),
                                spec: spec.clone(),
                                mode,
                                is_new: true,
                                idr_id: 0,
                            }),
                            Some(surfaces) => {
                                Input::Gpu { surfaces, surface: frame::Video::empty() }
                            }
                        },
                        packet: Packet::empty(),
                    });
                }
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    pub(super) const fn rate_control(&self) -> &'static str {
        self.rate_control
    }

    pub(super) fn driver(&self) -> Option<&str> {
        self.driver.as_deref()
    }

    /// Whether an IDR at this time may be finer than one before of the same picture.
    pub(super) fn has_recovered(&self, at: MediaTime) -> bool {
        match &self.input {
            Input::Memory(memory) => memory.budget.has_recovered(at),
            Input::Gpu { .. } => false,
        }
    }

    /// An IDR of so many bytes is sent again.
    pub(super) fn repeats(&mut self, at: MediaTime, bytes: usize) {
        if let Input::Memory(memory) = &mut self.input {
            memory.budget.spend_again(at, bytes);
        }
    }

    /// Encodes the picture.
    ///
    /// # Errors
    /// The encoder failed; it cannot be used any more.
    pub(super) fn encode(
        &mut self,
        picture: &mut Picture,
        at: MediaTime,
        idr: bool,
    ) -> Result<Bytes, EncodeError> {
        log::listen();
        let Self { encoding, encoder, input, packet, .. } = self;
        let changed = picture.take_changed();
        let data = match input {
            Input::Memory(Memory { budget, spec, mode, is_new, idr_id }) => {
                if idr && budget.has_recovered(at) {
                    match open_mode(encoding, spec, None, &mode.begun_with(budget.level_at(at))) {
                        Ok(renewed) => {
                            *encoder = renewed;
                            *is_new = true;
                        }
                        Err(error) => {
                            let why = sentence(&error);
                            tracing::warn!(%why, "the picture stays coarser than it could be");
                        }
                    }
                    budget.renew(at);
                }
                // Of two IDRs in a row the second must have another id (see `repeat`), whichever encoder
                // made the first. libx264 gives its IDRs 0 and 1 by turns.
                if mem::take(is_new) && *idr_id == 0 {
                    let nobody_sees = Picture::new(spec.size);
                    let mut black =
                        nobody_sees.ok_or_else(|| EncodeError::Picture(encoding.clone()))?;
                    let before = MediaTime::from_ticks(at.ticks().saturating_sub(1));
                    turn(encoding, encoder, packet, black.frame_mut(), before, true)?;
                }
                if idr {
                    *idr_id ^= 1;
                }
                if let Some(rate) = budget.rate_for(at) {
                    encoder.set_max_bit_rate(rate);
                }
                let data = turn(encoding, encoder, packet, picture.frame_mut(), at, idr)?;
                budget.spend(data.len());
                data
            }
            Input::Gpu { surfaces, surface } => {
                if changed {
                    *surface = surfaces
                        .upload(picture.frame_mut())
                        .map_err(|cause| failed(encoding, cause))?;
                }
                turn(encoding, encoder, packet, surface, at, idr)?
            }
        };
        Ok(Bytes::copy_from_slice(data))
    }
}

/// One picture in, its packet out.
fn turn<'a>(
    encoding: &Encoding,
    encoder: &mut encoder::Video,
    packet: &'a mut Packet,
    frame: &mut frame::Video,
    at: MediaTime,
    idr: bool,
) -> Result<&'a [u8], EncodeError> {
    let failed = |cause| failed(encoding, cause);
    frame.set_pts(i64::try_from(at.ticks()).ok());
    frame.set_kind(if idr { picture::Type::I } else { picture::Type::None });
    encoder.send_frame(frame).map_err(failed)?;
    match encoder.receive_packet(packet) {
        Ok(()) => packet.data().ok_or_else(|| EncodeError::Silent(encoding.clone())),
        Err(ffmpeg::Error::Other { errno: ffmpeg::error::EAGAIN }) => {
            Err(EncodeError::Silent(encoding.clone()))
        }
        Err(cause) => Err(failed(cause)),
    }
}

fn failed(encoding: &Encoding, cause: ffmpeg::Error) -> EncodeError {
    EncodeError::Encode { encoding: encoding.clone(), said: said(cause), cause }
}

fn open_mode(
    encoding: &Encoding,
    spec: &EncoderSpec,
    surfaces: Option<&Surfaces>,
    mode: &Mode,
) -> Result<encoder::Video, EncodeError> {
    let name = encoding.encoder();
    let failed = |cause| EncodeError::Open {
        encoding: encoding.clone(),
        spec: Box::new(spec.clone()),
        said: said(cause),
        cause,
    };
    let codec = encoder::find_by_name(name).ok_or(EncodeError::Missing(name))?;
    let context = codec::Context::new_with_codec(codec);
    let mut video = context.encoder().video().map_err(failed)?;
    video.set_width(spec.size.width);
    video.set_height(spec.size.height);
    video.set_format(Pixel::NV12);
    video.set_time_base(Rational(1, 90_000));
    let rate = i32::try_from(spec.frame_rate.per_second()).unwrap_or(30);
    video.set_frame_rate(Some(Rational(rate, 1)));
    for (name, value) in &mode.settings {
        options::set(&mut video, name, value).map_err(failed)?;
    }
    if let Some(surfaces) = surfaces {
        surfaces.attach(&mut video).map_err(failed)?;
    }
    video.open().map_err(failed)
}

/// The log's words, or the code's when it is silent.
fn said(cause: ffmpeg::Error) -> String {
    match log::errors() {
        silence if silence.is_empty() => cause.to_string(),
        errors => errors,
    }
}
