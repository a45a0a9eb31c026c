//! The boxes: one fragmented MP4 with a video track and, if wanted, a silent one (ISO/IEC 14496-12
//! and -15, CMAF 23000-19). The `mp4-atom` crate writes them.

use bytes::{BufMut, Bytes};
use mp4_atom::{
    Audio as AudioEntry, Avc1, Avcc, AvccExt, Codec, Colr, Dinf, Dref, DrefEntry, Encode, FourCC,
    Ftyp, Hdlr, Mdhd, Mdia, Mfhd, Minf, Moof, Moov, Mp4a, Mvex, Mvhd, Smhd, Stbl, Stsd, Styp, Tfdt,
    Tfhd, Tkhd, Traf, Trak, Trex, Trun, TrunEntry, TrunSamples, Url, Visual, Vmhd,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor, Esds, SLConfig},
};
use thiserror::Error;

use super::{
    segmenter::Sample,
    silence::{self, CONFIG, SILENT},
};
use crate::media::{
    MediaTime, StreamInfo,
    h264::{NAL_AUD, NAL_PPS, NAL_SEI, NAL_SPS, nal_type, nal_units},
};

/// Why boxes cannot be written.
#[derive(Debug, Error)]
pub(super) enum Mp4Error {
    #[error("the encoder's parameter sets are too short to be any")]
    ParameterSets,
    #[error("the picture's size {0} does not fit into an MP4")]
    Size(crate::units::Size),
    #[error("writing MP4 boxes")]
    Write(#[from] mp4_atom::Error),
    #[error("a segment is too large for an MP4 fragment")]
    TooLarge,
}

const VIDEO: u32 = 1;
const AUDIO: u32 = 2;
const VIDEO_SCALE: u32 = 90_000;
const AUDIO_SCALE: u16 = silence::RATE;

/// Sample flags (14496-12, 8.8.3.1): depends on no other sample / depends on others, is no sync
/// sample.
const SYNC: u32 = 0x0200_0000;
const NO_SYNC: u32 = 0x0101_0000;

/// What a player reads first.
pub(super) fn init(info: &StreamInfo, silent_audio: bool) -> Result<Bytes, Mp4Error> {
    let mut bytes = Vec::new();
    Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        compatible_brands: [b"iso6", b"cmfc", b"avc1", b"mp41"].map(FourCC::new).to_vec(),
    }
    .encode(&mut bytes)?;
    let mut traks = vec![video_track(info)?];
    let mut trex = vec![track_defaults(VIDEO)];
    if silent_audio {
        traks.push(audio_track());
        trex.push(track_defaults(AUDIO));
    }
    Moov {
        mvhd: Mvhd {
            timescale: VIDEO_SCALE,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: AUDIO + 1,
            ..Mvhd::default()
        },
        mvex: Some(Mvex { mehd: None, trex }),
        trak: traks,
        ..Moov::default()
    }
    .encode(&mut bytes)?;
    Ok(bytes.into())
}

/// The codec parameter of RFC 6381, such as `avc1.640029`.
pub(super) fn codec(info: &StreamInfo) -> Option<String> {
    let [_, profile, constraints, level] = info.sps.get(..4)?.try_into().ok()?;
    let [profile, constraints, level]: [u8; 3] = [profile, constraints, level];
    Some(format!("avc1.{profile:02x}{constraints:02x}{level:02x}"))
}

/// One segment: pictures, and silence from `sound` on, if any.
pub(super) fn segment(
    number: u64,
    time: MediaTime,
    samples: &[Sample],
    sound: Option<std::ops::Range<u64>>,
) -> Result<Bytes, Mp4Error> {
    let pictures: Vec<Vec<u8>> =
        samples.iter().map(|sample| length_prefixed(&sample.data)).collect();
    let narrow = |value: u64| u32::try_from(value).map_err(|_| Mp4Error::TooLarge);
    let entries = samples
        .iter()
        .zip(&pictures)
        .map(|(sample, picture)| {
            Ok(TrunEntry {
                duration: Some(narrow(sample.duration.ticks())?),
                size: Some(narrow(picture.len() as u64)?),
                flags: Some(if sample.idr { SYNC } else { NO_SYNC }),
                cts: None,
            })
        })
        .collect::<Result<_, Mp4Error>>()?;
    let picture_bytes: usize = pictures.iter().map(Vec::len).sum();
    let mut traf = vec![Traf {
        tfhd: Tfhd { track_id: VIDEO, default_base_is_moof: true, ..Tfhd::default() },
        tfdt: Some(Tfdt { base_media_decode_time: time.ticks() }),
        trun: vec![Trun { data_offset: Some(0), samples: TrunSamples::Explicit(entries) }],
        ..Traf::default()
    }];
    let frames = sound.as_ref().map_or(0, |sound| sound.end.saturating_sub(sound.start));
    if let Some(sound) = &sound {
        traf.push(Traf {
            tfhd: Tfhd {
                track_id: AUDIO,
                default_base_is_moof: true,
                default_sample_duration: Some(narrow(silence::FRAME)?),
                default_sample_size: Some(narrow(SILENT.len() as u64)?),
                default_sample_flags: Some(SYNC),
                ..Tfhd::default()
            },
            tfdt: Some(Tfdt { base_media_decode_time: sound.start * silence::FRAME }),
            trun: vec![Trun {
                data_offset: Some(0),
                samples: TrunSamples::Inherited { count: narrow(frames)?, first_flags: None },
            }],
            ..Traf::default()
        });
    }
    let mut moof = Moof {
        // Wraps after 136 years of seconds; players only want it to rise.
        mfhd: Mfhd { sequence_number: u32::try_from(number % (1 << 32)).unwrap_or(0) },
        traf,
    };
    // The offsets count from the start of the `moof` and so depend on its length, which they do not
    // change.
    let header = encoded(&moof)?.len() + 8;
    for (traf, offset) in moof.traf.iter_mut().zip([header, header + picture_bytes]) {
        for run in &mut traf.trun {
            run.data_offset = Some(i32::try_from(offset).map_err(|_| Mp4Error::TooLarge)?);
        }
    }
    let sound_bytes = SILENT.len() * usize::try_from(frames).map_err(|_| Mp4Error::TooLarge)?;
    let mut bytes = Vec::with_capacity(header + picture_bytes + sound_bytes + 32);
    Styp {
        major_brand: FourCC::new(b"msdh"),
        minor_version: 0,
        compatible_brands: [b"msdh", b"cmfs"].map(FourCC::new).to_vec(),
    }
    .encode(&mut bytes)?;
    moof.encode(&mut bytes)?;
    bytes.put_u32(narrow((8 + picture_bytes + sound_bytes) as u64)?);
    bytes.put_slice(b"mdat");
    for picture in &pictures {
        bytes.put_slice(picture);
    }
    for _ in 0..frames {
        bytes.put_slice(&SILENT);
    }
    Ok(bytes.into())
}

fn encoded(value: &impl Encode) -> Result<Vec<u8>, Mp4Error> {
    let mut bytes = Vec::new();
    value.encode(&mut bytes)?;
    Ok(bytes)
}

/// Annex B to the form of 14496-15: a length in front of each unit. Parameter sets are in the init
/// segment; delimiters and messages are of no use here.
fn length_prefixed(annex_b: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(annex_b.len() + 16);
    for nal in nal_units(annex_b) {
        if matches!(nal_type(nal), NAL_SPS | NAL_PPS | NAL_AUD | NAL_SEI) {
            continue;
        }
        // A unit is part of a message of bounded length.
        bytes.put_u32(u32::try_from(nal.len()).unwrap_or(u32::MAX));
        bytes.extend_from_slice(nal);
    }
    bytes
}

fn track_defaults(track_id: u32) -> Trex {
    Trex { track_id, default_sample_description_index: 1, ..Trex::default() }
}

fn video_track(info: &StreamInfo) -> Result<Trak, Mp4Error> {
    let side = |side: u32| u16::try_from(side).map_err(|_| Mp4Error::Size(info.size));
    let (width, height) = (side(info.size.width)?, side(info.size.height)?);
    if info.sps.len() < 4 || info.pps.is_empty() {
        return Err(Mp4Error::ParameterSets);
    }
    let entry = Avc1 {
        visual: Visual { data_reference_index: 1, width, height, ..Visual::default() },
        avcc: Avcc { ext: Some(AvccExt::default()), ..Avcc::new(&info.sps, &info.pps)? },
        // ITU-T H.273: 1 is BT.709 in all three.
        colr: Some(Colr::Nclx {
            colour_primaries: 1,
            transfer_characteristics: 1,
            matrix_coefficients: 1,
            full_range_flag: false,
        }),
        ..Avc1::default()
    };
    Ok(Trak {
        tkhd: Tkhd {
            track_id: VIDEO,
            enabled: true,
            in_movie: true,
            width: width.into(),
            height: height.into(),
            ..Tkhd::default()
        },
        mdia: media(
            VIDEO_SCALE,
            b"vide",
            Minf {
                vmhd: Some(Vmhd::default()),
                dinf: here(),
                stbl: table(Codec::Avc1(entry)),
                ..Minf::default()
            },
        ),
        ..Trak::default()
    })
}

fn audio_track() -> Trak {
    let entry = Mp4a {
        audio: AudioEntry {
            data_reference_index: 1,
            channel_count: 2,
            sample_size: 16,
            sample_rate: AUDIO_SCALE.into(),
        },
        esds: Esds {
            es_desc: EsDescriptor {
                es_id: 2,
                dec_config: DecoderConfig {
                    // 14496-1: MPEG-4 audio, in an audio stream.
                    object_type_indication: 0x40,
                    stream_type: 5,
                    max_bitrate: 2_250,
                    avg_bitrate: 2_250,
                    dec_specific: Some(DecoderSpecific {
                        profile: 2,
                        freq_index: 3,
                        chan_conf: 2,
                        raw: CONFIG.to_vec(),
                    }),
                    ..DecoderConfig::default()
                },
                sl_config: SLConfig::default(),
                ..EsDescriptor::default()
            },
        },
        btrt: None,
        taic: None,
    };
    Trak {
        tkhd: Tkhd {
            track_id: AUDIO,
            enabled: true,
            in_movie: true,
            volume: 1.into(),
            ..Tkhd::default()
        },
        mdia: media(
            AUDIO_SCALE.into(),
            b"soun",
            Minf {
                smhd: Some(Smhd::default()),
                dinf: here(),
                stbl: table(Codec::Mp4a(entry)),
                ..Minf::default()
            },
        ),
        ..Trak::default()
    }
}

fn media(timescale: u32, handler: &[u8; 4], minf: Minf) -> Mdia {
    Mdia {
        mdhd: Mdhd { timescale, language: "und".to_owned(), ..Mdhd::default() },
        hdlr: Hdlr { handler: FourCC::new(handler), name: "dashboard-cast".to_owned() },
        minf,
    }
}

/// The media is in this very file.
fn here() -> Dinf {
    Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } }
}

fn table(codec: Codec) -> Stbl {
    Stbl { stsd: Stsd { codecs: vec![codec] }, ..Stbl::default() }
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Any, Decode, DecodeMaybe};
    use proptest::prelude::*;

    use super::*;
    use crate::units::{BitRate, FrameRate, Size};

    fn info() -> StreamInfo {
        StreamInfo {
            encoder: "libx264".to_owned(),
            size: Size::new(1920, 1080),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(5000),
            sps: Bytes::from_static(&[0x67, 0x64, 0x00, 0x29, 0xac]),
            pps: Bytes::from_static(&[0x68, 0xee, 0x3c]),
        }
    }

    fn boxes(bytes: &[u8]) -> Vec<Any> {
        let mut rest = bytes;
        let mut boxes = Vec::new();
        while let Some(found) = Any::decode_maybe(&mut rest).unwrap() {
            boxes.push(found);
        }
        assert!(rest.is_empty());
        boxes
    }

    #[test]
    fn the_init_segment_says_what_the_encoder_said() {
        let bytes = init(&info(), true).unwrap();
        let [Any::Ftyp(_), Any::Moov(moov)] = &boxes(&bytes)[..] else { panic!("not an init") };
        assert_eq!(moov.trak.len(), 2);
        let Codec::Avc1(avc1) = &moov.trak[0].mdia.minf.stbl.stsd.codecs[0] else { panic!() };
        assert_eq!(avc1.avcc.sequence_parameter_sets, [info().sps.to_vec()]);
        assert_eq!((avc1.visual.width, avc1.visual.height), (1920, 1080));
        assert_eq!(codec(&info()).unwrap(), "avc1.640029");
        let silent = init(&info(), false).unwrap();
        let [_, Any::Moov(moov)] = &boxes(&silent)[..] else { panic!("not an init") };
        assert_eq!(moov.trak.len(), 1);
    }

    #[test]
    fn offsets_point_at_the_data() {
        let sample = |byte: u8, idr| Sample {
            duration: MediaTime::from_ticks(45_000),
            idr,
            data: Bytes::from(vec![0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x65, byte]),
        };
        let samples = [sample(7, true), sample(8, false)];
        let bytes = segment(5, MediaTime::from_ticks(450_000), &samples, Some(234..281)).unwrap();
        let [Any::Styp(_), Any::Moof(moof), Any::Mdat(_)] = &boxes(&bytes)[..] else {
            panic!("not a segment")
        };
        assert_eq!(moof.mfhd.sequence_number, 5);
        let styp = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        let at = |traf: usize| {
            styp + usize::try_from(moof.traf[traf].trun[0].data_offset.unwrap()).unwrap()
        };
        assert_eq!(bytes[at(0)..at(0) + 12], [0, 0, 0, 2, 0x65, 7, 0, 0, 0, 2, 0x65, 8]);
        assert_eq!(bytes[at(1)..at(1) + 6], SILENT);
        assert_eq!(bytes.len() - at(1), 47 * SILENT.len());
        assert_eq!(moof.traf[1].tfdt.as_ref().unwrap().base_media_decode_time, 234 * 1024);
    }

    #[test]
    fn parameter_sets_that_are_none_are_refused() {
        let broken = StreamInfo { sps: Bytes::new(), ..info() };
        assert!(matches!(init(&broken, false), Err(Mp4Error::ParameterSets)));
        assert_eq!(codec(&broken), None);
    }

    proptest! {
        #[test]
        fn whatever_an_encoder_writes_becomes_boxes_that_read_back(
            pictures in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..300), 1_u64..100_000, any::<bool>()), 1..20),
            time in any::<u32>(),
        ) {
            let samples: Vec<_> = pictures.into_iter().map(|(data, ticks, idr)| Sample {
                duration: MediaTime::from_ticks(ticks), idr, data: data.into(),
            }).collect();
            let time = MediaTime::from_ticks(time.into());
            let bytes = segment(1, time, &samples, None).unwrap();
            let mut rest = &bytes[..];
            Styp::decode(&mut rest).unwrap();
            let moof = Moof::decode(&mut rest).unwrap();
            let TrunSamples::Explicit(entries) = &moof.traf[0].trun[0].samples else {
                panic!("no entries")
            };
            prop_assert_eq!(entries.len(), samples.len());
            let sizes: usize = entries.iter().map(|entry| entry.size.unwrap() as usize).sum();
            prop_assert_eq!(rest.len(), sizes + 8);
        }
    }
}
