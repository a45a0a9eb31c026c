//! What a picture costs on a GPU beside its conversion, and which part of that is ours.
//!
//! The encoder is driven as a session drives it, in a process on the rig. Its own thread converts and hands
//! over; the codec's thread, and those of QuickSync, upload and encode, which the `ffmpeg` program does as
//! well, with the same surfaces and options. Ours is what the first thread does beside converting, and what
//! the others use beyond ffmpeg. That is rather too much: ffmpeg's picture stands still and is in the cache
//! of its only thread.

use std::{env, time::Duration};

use dashboard_cast::{
    encode::{self, Encoder, Pattern},
    media::{Damage, MediaTime, Rect},
    session::{Api, Encoding, VaDriver},
};
use rustix::time::{ClockId, clock_gettime};

use crate::{ffmpeg, report::Report, rig::Rig, summary};

/// Milliseconds of our own CPU for a picture.
const OURS: f64 = 0.5;

const PICTURES: u32 = 600;
/// Until everything is where it will be.
const WARM: u32 = 30;
const RUNS: usize = 5;
/// Rows that change.
pub(crate) const DAMAGES: [(u32, &str); 2] = [(1080, "all changes"), (108, "a tenth changes")];

const JOB: &str = "BENCH_ENCODE";

/// What a picture costs, in milliseconds of CPU.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    pub(crate) conversion: f64,
    /// What the thread of the session does beside that.
    handing: f64,
    /// All other threads.
    codec: f64,
}

pub(crate) fn measure(rig: &Rig, report: &mut Report) {
    for encoder in ["h264_vaapi", "h264_qsv"] {
        eprintln!("bench: {encoder}");
        let (bare, _) = summary((0..RUNS).map(|_| by_ffmpeg(rig, encoder)).collect());
        for (rows, damage) in DAMAGES {
            let runs: Vec<Cost> = (0..RUNS).map(|_| on_rig(rig, encoder, rows)).collect();
            let middle = |part: fn(&Cost) -> f64| summary(runs.iter().map(part).collect()).0;
            let title = format!("{encoder}, {damage}");
            report.figure(&format!("{title}: conversion, ms"), middle(|cost| cost.conversion));
            let (handing, codec) = (middle(|cost| cost.handing), middle(|cost| cost.codec));
            let ratio = codec / bare;
            let note = format!("{ratio:.2} of ffmpeg's {bare:.2}");
            report.figure(&format!("{title}: upload and encoding, ms ({note})"), codec);
            let ours = handing + (codec - bare).max(0.0);
            let note = format!("handing over {handing:.3}, and what is beyond ffmpeg's");
            report.floor(&format!("{title}: ours, ms ({note})"), ours, OURS);
        }
    }
}

fn by_ffmpeg(rig: &Rig, encoder: &str) -> f64 {
    let upload = "hwupload=extra_hw_frames=8";
    let (filter, own): (String, &[&str]) = match encoder {
        "h264_qsv" => {
            (format!("{upload},hwmap=derive_device=qsv,format=qsv"), &["-forced_idr", "1"])
        }
        _ => (upload.to_owned(), &["-sei", "0"]),
    };
    let common = [
        ["-vf", &filter],
        ["-c:v", encoder],
        ["-bf", "0"],
        ["-g", "65535"],
        ["-force_key_frames", "expr:not(mod(n,30))"],
        ["-low_power", "1"],
        ["-async_depth", "1"],
        ["-b:v", "4500k"],
        ["-maxrate", "5000k"],
        ["-bufsize", "5000k"],
    ];
    ffmpeg::per_picture(rig, "nv12", &[common.as_flattened(), own].concat()).expect("encoding")
}

pub(crate) fn on_rig(rig: &Rig, encoder: &str, rows: u32) -> Cost {
    let this = env::current_exe().expect("this program");
    let mut command = rig.command(this.to_str().expect("its path"));
    let output = command.env(JOB, format!("{encoder} {rows}")).output().expect("running it");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let printed = String::from_utf8_lossy(&output.stdout);
    let costs: Vec<f64> = printed.split_whitespace().flat_map(str::parse).collect();
    let [conversion, handing, codec] = costs[..] else { panic!("it printed {printed}: {said}") };
    Cost { conversion, handing, codec }
}

pub(crate) fn is_on_rig() -> bool {
    env::var_os(JOB).is_some()
}

/// Does the job of a process on the rig and prints what it cost.
pub(crate) fn encode() {
    let job = env::var(JOB).expect("a job");
    let (encoder, rows) = job.split_once(' ').expect("an encoder and rows");
    let rows: u32 = rows.parse().expect("a number of rows");
    let api = if encoder == "h264_qsv" { Api::Qsv } else { Api::Vaapi };
    let node = env::var_os("RIG_NODE").expect("a node").into();
    let encoding = Encoding::Hardware { api, node, driver: Some(VaDriver::Ihd) };
    let spec = encode::spec();
    let mut damage = Damage::none();
    damage.add(Rect::new(0, 0, spec.size.width, rows));
    let pattern = Pattern::new(spec.size);
    let pictures = [pattern.picture(0), pattern.picture(1)];
    let mut encoder = Encoder::open(&encoding, &spec).expect("an encoder");
    let (mut conversion, mut session) = (Duration::ZERO, Duration::ZERO);
    let mut all = Duration::ZERO;
    for number in 0..WARM + PICTURES {
        let (process, before) = (used(ClockId::ProcessCPUTime), used(ClockId::ThreadCPUTime));
        let picture = &pictures[number as usize % 2];
        encoder.update(picture, &damage).expect("converting");
        let converted = used(ClockId::ThreadCPUTime);
        let at = MediaTime::from_ticks(u64::from(number) * 3_000);
        encoder.encode(at, number.is_multiple_of(30)).expect("encoding");
        if number >= WARM {
            conversion += converted - before;
            session += used(ClockId::ThreadCPUTime) - converted;
            all += used(ClockId::ProcessCPUTime) - process;
        }
    }
    let each = |time: Duration| 1000.0 * time.as_secs_f64() / f64::from(PICTURES);
    let codec = each(all) - each(conversion) - each(session);
    println!("{} {} {codec}", each(conversion), each(session));
}

/// CPU time so far.
fn used(clock: ClockId) -> Duration {
    clock_gettime(clock).try_into().expect("a time after the start")
}
