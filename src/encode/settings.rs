//! How each encoder of libavcodec is set up, as tables of its options.

use super::budget::Budget;
use crate::session::{Api, Encoding, ports::EncoderSpec};

/// An option's name and value.
pub(super) type Setting = (&'static str, String);

/// One way to set an encoder up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mode {
    /// How it keeps the bit rate.
    pub(super) rate_control: &'static str,
    pub(super) settings: Vec<Setting>,
}

impl Mode {
    /// The same, with so many bits in the receiver's buffer.
    pub(super) fn begun_with(&self, level: u64) -> Self {
        let mut mode = self.clone();
        mode.settings.push(("rc_init_occupancy", level.to_string()));
        mode
    }
}

/// The ways to set an encoder up, best first: what a driver can do shows when it is opened.
pub(super) fn modes(encoding: &Encoding, spec: &EncoderSpec) -> Vec<Mode> {
    let (ways, own): (&[Way], Own) = match encoding {
        Encoding::Software => (&X264, x264),
        Encoding::Hardware { api: Api::Vaapi, .. } => (&VAAPI, vaapi),
        Encoding::Hardware { api: Api::Qsv, .. } => (&QSV, qsv),
    };
    let mode = |&(rate_control, way): &Way| {
        let own = own(spec).into_iter().chain(owned(way));
        Mode { rate_control, settings: common().into_iter().chain(own).collect() }
    };
    ways.iter().map(mode).collect()
}

/// The name of a rate control, and what sets it.
type Way = (&'static str, &'static [(&'static str, &'static str)]);
type Own = fn(&EncoderSpec) -> Vec<Setting>;

fn owned(settings: &'static [(&'static str, &'static str)]) -> impl Iterator<Item = Setting> {
    settings.iter().map(|&(name, value)| (name, value.to_owned()))
}

/// What the stream is, whoever makes it.
fn common() -> Vec<Setting> {
    const COMMON: &[(&str, &str)] = &[
        ("profile", "high"),
        ("bf", "0"),
        ("flags", "+cgop"),
        ("color_primaries", "bt709"),
        ("color_trc", "bt709"),
        ("colorspace", "bt709"),
        ("color_range", "tv"),
    ];
    owned(COMMON).collect()
}

/// Bits in a second, and in the receiver's buffer of so many seconds.
fn capped(spec: &EncoderSpec, seconds: u64) -> Vec<Setting> {
    let rate = spec.bit_rate.bits_per_second();
    vec![("maxrate", rate.to_string()), ("bufsize", (rate * seconds).to_string())]
}

/// Constant quality below the cap, no delay: a picture that goes in comes out.
const X264: [Way; 1] = [(
    "CRF",
    &[
        ("preset", "superfast"),
        // What every Cast device takes, and enough for 1080p30 and 720p60.
        ("level", "4.1"),
        // IDRs come when asked for, never by themselves.
        ("g", "2147483647"),
        ("sc_threshold", "0"),
        ("forced-idr", "1"),
        // Near what 4:2:0 can hold at all: a page that stands still is looked at for long. The cap
        // holds what moves.
        ("crf", "9"),
        (
            "x264-params",
            // No look-ahead, no macroblock tree and no wait for the next time stamp, which would all
            // hold pictures back. No weighted prediction, which is for fades. No adaptive
            // quantisation: it takes from edges to give to gradients, and text is edges. Chroma gets
            // as much as luma, for dashboards are thin coloured lines. The same quantiser for all that
            // changes, however much that is, and for IDRs, or the page would breathe with them.
            "force-cfr=1:rc-lookahead=0:sync-lookahead=0:mbtree=0:threads=1:weightp=0:aq-mode=0\
             :chroma-qp-offset=-6:qcomp=1:ipratio=1",
        ),
    ],
)];

fn x264(spec: &EncoderSpec) -> Vec<Setting> {
    capped(spec, Budget::SECONDS)
}

/// Without the HuC firmware, Intel's low-power encoder keeps no bit rate.
const VAAPI: [Way; 3] =
    [("VBR", &[("rc_mode", "VBR")]), ("CBR", &[("rc_mode", "CBR")]), ("CQP", &VAAPI_CQP)];
const VAAPI_CQP: [(&str, &str); 2] = [("rc_mode", "CQP"), ("qp", SHARP)];

/// A quantiser at which text on a dashboard stays sharp.
const SHARP: &str = "20";
/// The same in libavcodec's unit, of which a step of the quantiser has 118 (`FF_QP2LAMBDA`).
const SHARP_LAMBDA: &str = "2360";

/// What counts pictures in 16 bits counts no further; each forced IDR has it begin again.
const LONGEST_GROUP: &str = "65535";

fn vaapi(spec: &EncoderSpec) -> Vec<Setting> {
    const OWN: &[(&str, &str)] = &[
        ("level", "4.1"),
        ("g", LONGEST_GROUP),
        // One picture at a time: a picture that goes in comes out.
        ("async_depth", "1"),
        // No messages between the pictures.
        ("sei", "0"),
        ("b", ""),
    ];
    hardware(OWN, spec)
}

/// Debian's driver is the free one, which encodes with low power only; the other kind of driver may
/// have the other kind of encoder only.
const QSV: [Way; 4] = [
    ("VBR", &[("low_power", "1")]),
    ("CQP", &QSV_CQP),
    ("VBR", &[("low_power", "0")]),
    ("CQP", &QSV_CQP_FULL),
];
const QSV_CQP: [(&str, &str); 3] =
    [("low_power", "1"), ("flags", "+qscale"), ("global_quality", SHARP_LAMBDA)];
const QSV_CQP_FULL: [(&str, &str); 3] =
    [("low_power", "0"), ("flags", "+qscale"), ("global_quality", SHARP_LAMBDA)];

fn qsv(spec: &EncoderSpec) -> Vec<Setting> {
    const OWN: &[(&str, &str)] = &[
        ("level", "41"),
        ("g", LONGEST_GROUP),
        ("async_depth", "1"),
        ("look_ahead", "0"),
        ("forced_idr", "1"),
        ("b", ""),
    ];
    hardware(OWN, spec)
}

/// The average is kept a little below the peak: with both the same, drivers keep a constant rate and
/// fill up a still picture with nothing.
fn hardware(own: &'static [(&'static str, &'static str)], spec: &EncoderSpec) -> Vec<Setting> {
    let average = (spec.bit_rate.bits_per_second() / 10 * 9).to_string();
    let own = owned(own).map(|(name, value)| match name {
        "b" => (name, average.clone()),
        _ => (name, value),
    });
    own.chain(capped(spec, 1)).collect()
}

#[cfg(test)]
mod tests {
    use ffmpeg_next::{codec, encoder};

    use super::*;
    use crate::{
        encode::libav::options,
        units::{BitRate, FrameRate, Size},
    };

    fn spec() -> EncoderSpec {
        EncoderSpec {
            size: Size::new(1920, 1080),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(5000),
        }
    }

    fn all() -> Vec<Encoding> {
        let hardware =
            |api| Encoding::Hardware { api, node: "/dev/dri/renderD128".into(), driver: None };
        vec![hardware(Api::Qsv), hardware(Api::Vaapi), Encoding::Software]
    }

    #[test]
    fn every_option_of_every_encoder_exists_in_this_libavcodec() {
        for encoding in all() {
            let name = encoding.encoder();
            let codec = encoder::find_by_name(name).unwrap();
            for mode in modes(&encoding, &spec()) {
                let mut video = codec::Context::new_with_codec(codec).encoder().video().unwrap();
                for (option, value) in mode.settings {
                    let set = options::set(&mut video, option, &value);
                    assert_eq!(set, Ok(()), "{name}: {option}={value}");
                }
            }
        }
    }

    #[test]
    fn an_option_that_does_not_exist_is_refused() {
        let codec = encoder::find_by_name("libx264").unwrap();
        let mut video = codec::Context::new_with_codec(codec).encoder().video().unwrap();
        assert!(options::set(&mut video, "no_such_option", "1").is_err());
        assert!(options::set(&mut video, "preset\0", "1").is_err());
    }

    #[test]
    fn no_encoder_fills_up_a_constant_rate_before_it_tried_a_variable_one() {
        for encoding in all() {
            let first = modes(&encoding, &spec()).remove(0);
            assert!(matches!(first.rate_control, "VBR" | "CRF"), "{encoding}");
        }
    }
}
