//! The proof that an encoding works: a known picture goes in, and what comes out shows it.
//!
//! What a driver says of itself is not enough: there are those that name an encoder and write nothing,
//! or rubbish.

use std::{fs::OpenOptions, io, path::Path, time::Instant};

use ffmpeg_next::{self as ffmpeg, Packet, codec, decoder, frame};
use rustix::io::Errno;

use super::{
    codec::EncodeError, encoder::Encoder, libav::hardware::DeviceStage, pattern::Pattern, picture,
    similarity::similarity,
};
use crate::{
    media::{Damage, MediaTime},
    session::{Encoding, Proof, Refusal, ports::EncoderSpec},
    units::{BitRate, FrameRate, Size},
};

/// How many pictures are encoded.
pub const PICTURES: u32 = 30;

/// Below, the picture is another one. What moves in the pattern costs less than this at any bit rate
/// of ours.
const LEAST_SIMILARITY: f64 = 0.9;

/// What an encoder must be able to make: the largest picture that it will be asked for.
pub fn spec() -> EncoderSpec {
    EncoderSpec {
        size: Size::new(1920, 1080),
        frame_rate: FrameRate::DEFAULT,
        bit_rate: BitRate::from_kbit(5000),
    }
}

/// Proves an encoding. It may not come back, or take the process with it.
///
/// # Errors
/// Why it does not work.
pub fn prove(encoding: &Encoding) -> Result<Proof, Refusal> {
    let began = Instant::now();
    let spec = spec();
    if let Encoding::Hardware { node, .. } = encoding {
        // libva says the same for all of these.
        try_node(node)?;
    }
    let mut encoder = Encoder::open(encoding, &spec).map_err(refusal)?;
    let pattern = Pattern::new(spec.size);
    let whole = Damage::whole(spec.size);
    let mut packets = Vec::new();
    let mut wanted = Vec::new();
    for number in 0..PICTURES {
        encoder.update(&pattern.picture(number), &whole).map_err(refusal)?;
        if is_compared(number) {
            wanted.extend(encoder.luma());
        }
        let at = MediaTime::from_ticks(u64::from(number) * 3_000);
        packets.push(encoder.encode(at, number == 0).map_err(refusal)?);
    }
    let rate_control = encoder.rate_control().to_owned();
    let driver = encoder.driver().unwrap_or_default().to_owned();
    drop(encoder);
    let shown = decode(&packets)
        .map_err(|cause| Refusal::Failed(format!("what it writes cannot be decoded ({cause})")))?;
    if shown.len() != packets.len() {
        let (shown, packets) = (shown.len(), packets.len());
        return Err(Refusal::Failed(format!("of {packets} pictures {shown} came out")));
    }
    let compared = shown.iter().zip(0..).filter(|(_, number)| is_compared(*number));
    let width = spec.size.width as usize;
    let similarity = compared
        .zip(&wanted)
        .map(|((shown, _), wanted)| similarity(&picture::luma(shown), wanted, width))
        .fold(1.0, f64::min);
    if similarity < LEAST_SIMILARITY {
        return Err(Refusal::WrongPicture { similarity: thousandths(similarity) });
    }
    Ok(Proof { rate_control, driver, similarity, took: began.elapsed() })
}

/// The first, one in the middle, and the last, which depends on all before it.
const fn is_compared(number: u32) -> bool {
    matches!(number, 0 | 15 | 29)
}

fn thousandths(similarity: f64) -> u32 {
    (0..1000).rev().find(|step| f64::from(*step) / 1000.0 <= similarity).unwrap_or(0)
}

fn try_node(node: &Path) -> Result<(), Refusal> {
    let opened = OpenOptions::new().read(true).write(true).open(node);
    let Err(error) = opened else { return Ok(()) };
    Err(match Errno::from_io_error(&error) {
        Some(Errno::NOENT) => Refusal::NoNode,
        Some(Errno::ACCESS) => Refusal::NotPermitted,
        Some(Errno::PERM) => Refusal::Denied,
        Some(Errno::NODEV | Errno::NXIO) => Refusal::Dead,
        _ => Refusal::Failed(opening(node, &error)),
    })
}

fn opening(node: &Path, error: &io::Error) -> String {
    format!("opening {}: {error}", node.display())
}

/// Which of the known troubles an error is.
fn refusal(error: EncodeError) -> Refusal {
    match error {
        EncodeError::Missing(_) => Refusal::NotBuiltIn,
        EncodeError::Hung(_) => Refusal::Hung,
        EncodeError::Ended(_) => Refusal::Crashed,
        EncodeError::Device { stage: DeviceStage::Display, said, .. } => Refusal::NoVaDriver(said),
        EncodeError::Device { stage: DeviceStage::Session, said, .. } => Refusal::NoRuntime(said),
        EncodeError::Open { said, .. } => opened(said),
        other => Refusal::Failed(crate::error::sentence(&other)),
    }
}

/// By the words of libavcodec, which are the same in its versions 59 to 61 (FFmpeg 5.1 to 7.1).
fn opened(said: String) -> Refusal {
    const NO_ENCODER: [&str; 2] = ["No usable encoding", "VAEntrypoint"];
    const NO_RATE_CONTROL: [&str; 2] = ["RC mode", "ratecontrol mode is unsupported"];
    const NO_RUNTIME: [&str; 2] = ["MFX session", "MFX handle"];
    let has = |words: [&str; 2]| words.iter().any(|words| said.contains(words));
    if has(NO_ENCODER) {
        Refusal::NoEncoder(said)
    } else if has(NO_RUNTIME) {
        Refusal::NoRuntime(said)
    } else if has(NO_RATE_CONTROL) {
        Refusal::NoRateControl(said)
    } else {
        Refusal::Failed(said)
    }
}

fn decode(packets: &[bytes::Bytes]) -> Result<Vec<frame::Video>, ffmpeg::Error> {
    let codec = decoder::find(codec::Id::H264).ok_or(ffmpeg::Error::DecoderNotFound)?;
    let mut decoder = codec::Context::new_with_codec(codec).decoder().video()?;
    let mut pictures = Vec::new();
    let mut take = |decoder: &mut decoder::Video| {
        let mut picture = frame::Video::empty();
        while decoder.receive_frame(&mut picture).is_ok() {
            pictures.push(std::mem::replace(&mut picture, frame::Video::empty()));
        }
    };
    for packet in packets {
        decoder.send_packet(&Packet::copy(packet))?;
        take(&mut decoder);
    }
    decoder.send_eof()?;
    take(&mut decoder);
    Ok(pictures)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Api;

    #[test]
    fn software_proves_itself() {
        let proof = prove(&Encoding::Software).unwrap();
        assert_eq!(proof.rate_control, "CRF");
        assert!(proof.similarity > 0.95, "{proof:?}");
    }

    #[test]
    fn a_node_that_is_not_there_is_said_to_be_not_there() {
        let refusal = |node: &str| {
            let encoding = Encoding::Hardware { api: Api::Vaapi, node: node.into(), driver: None };
            prove(&encoding).unwrap_err()
        };
        assert_eq!(refusal("/dev/dri/renderD999"), Refusal::NoNode);
        // It can be opened and is no GPU.
        assert!(matches!(refusal("/dev/null"), Refusal::NoVaDriver(_)));
    }

    #[test]
    fn troubles_are_known_by_libavcodecs_words() {
        let says = |said: &str| opened(said.to_owned());
        assert!(matches!(
            says("No usable encoding entrypoint found for profile VAProfileH264High (7)."),
            Refusal::NoEncoder(_)
        ));
        assert!(matches!(
            says("Driver does not support VBR RC mode (supported modes: CQP)."),
            Refusal::NoRateControl(_)
        ));
        assert!(matches!(
            says("Selected ratecontrol mode is unsupported"),
            Refusal::NoRateControl(_)
        ));
        assert!(matches!(says("Error creating a MFX session: -9."), Refusal::NoRuntime(_)));
        assert!(matches!(says("Invalid argument"), Refusal::Failed(_)));
    }
}
