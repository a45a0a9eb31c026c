//! The rig itself, with the `ffmpeg` program on it.

use std::{
    fs,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::support::rig::{Platform, Rig, garbage_pictures, usual_pictures};

const FULL_HD: &str = "1920x1080";
const VBR: &[&str] = &["-b:v", "3M", "-maxrate", "5M"];
const CQP: &[&str] = &["-q:v", "24"];
/// For what takes a second on a machine that has nothing else to do.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug)]
enum Api {
    Vaapi,
    Qsv,
}

const BOTH: [Api; 2] = [Api::Vaapi, Api::Qsv];

/// One run of ffmpeg, and what it wrote.
#[derive(Debug)]
struct Encoded {
    output: Output,
    file: PathBuf,
    _directory: TempDir,
}

impl Encoded {
    #[track_caller]
    fn bytes(&self) -> Vec<u8> {
        assert!(self.output.status.success(), "{:?}: {}", self.output.status, self.said());
        fs::read(&self.file).expect("what ffmpeg wrote")
    }

    fn said(&self) -> String {
        String::from_utf8_lossy(&self.output.stderr).into_owned()
    }

    /// The kinds of the pictures that a decoder finds, such as `IPPP`.
    #[track_caller]
    fn decoded(&self) -> String {
        self.bytes();
        let probe = Command::new("ffprobe")
            .args(["-v", "error", "-show_entries", "frame=pict_type", "-of", "csv=p=0"])
            .arg(&self.file)
            .output()
            .expect("ffprobe");
        let wrong = String::from_utf8_lossy(&probe.stderr);
        assert!(probe.status.success() && wrong.is_empty(), "not decodable: {wrong}");
        let letters = String::from_utf8_lossy(&probe.stdout);
        letters.chars().filter(|letter| letter.is_ascii_uppercase()).collect()
    }
}

/// ffmpeg as it encodes `frames` pictures of this size into `file`.
fn ffmpeg(rig: &Rig, api: Api, size: &str, frames: u32, options: &[&str], file: &Path) -> Command {
    let node = rig.node();
    let mut command = rig.command("ffmpeg");
    command
        .args(["-v", "error", "-y"])
        .args(["-init_hw_device", &format!("vaapi=va:{},driver=iHD", node.display())]);
    match api {
        Api::Vaapi => command.args(["-filter_hw_device", "va"]),
        Api::Qsv => command.args(["-init_hw_device", "qsv=qs@va"]),
    };
    command.args(["-f", "lavfi", "-i", &format!("smptebars=size={size}:rate=30")]);
    command.args(["-frames:v", &frames.to_string(), "-g", "65535", "-bf", "0"]);
    match api {
        Api::Vaapi => command.args(["-vf", "format=nv12,hwupload", "-c:v", "h264_vaapi"]),
        Api::Qsv => command.args(["-vf", "format=nv12", "-c:v", "h264_qsv", "-forced_idr", "1"]),
    };
    command.args(["-low_power", "1", "-async_depth", "1"]).args(options).arg(file);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// 30 pictures of full HD.
#[track_caller]
fn encode(rig: &Rig, api: Api, options: &[&str]) -> Encoded {
    encode_size(rig, api, FULL_HD, options)
}

#[track_caller]
fn encode_size(rig: &Rig, api: Api, size: &str, options: &[&str]) -> Encoded {
    let directory = tempfile::tempdir().expect("making a directory");
    let file = directory.path().join("encoded.h264");
    let output = ffmpeg(rig, api, size, 30, options, &file).output().expect("running ffmpeg");
    Encoded { output, file, _directory: directory }
}

/// Whether it ends within `limit`.
fn ends(child: &mut Child, limit: Duration) -> bool {
    let deadline = Instant::now() + limit;
    while child.try_wait().expect("asking after ffmpeg").is_none() {
        if Instant::now() >= deadline {
            return false;
        }
        thread::sleep(Duration::from_millis(20));
    }
    true
}

fn ipp() -> String {
    format!("I{}", "P".repeat(29))
}

#[test]
fn every_gpu_writes_the_prepared_pictures() {
    for platform in Platform::with_quicksync() {
        let rig = Rig::new().platform(*platform);
        for api in BOTH {
            let encoded = encode(&rig, api, VBR);
            assert_eq!(encoded.decoded(), ipp(), "{platform:?} {api:?}");
            let prepared = fs::read(usual_pictures(FULL_HD)).unwrap();
            assert!(encoded.bytes() == prepared, "{platform:?} {api:?}: other pictures");
        }
    }
}

#[test]
fn a_forced_idr_picture_is_one() {
    let rig = Rig::new();
    for api in BOTH {
        let forced = ["-force_key_frames", "expr:eq(n,10)"];
        let encoded = encode(&rig, api, &[VBR, &forced].concat());
        let wanted = format!("I{}I{}", "P".repeat(9), "P".repeat(19));
        assert_eq!(encoded.decoded(), wanted, "{api:?}");
    }
}

#[test]
fn each_size_has_pictures_of_its_own() {
    let rig = Rig::new().size("1280x720");
    for api in BOTH {
        let small = encode_size(&rig, api, "1280x720", VBR);
        assert!(small.bytes() == fs::read(usual_pictures("1280x720")).unwrap(), "{api:?}");
        assert!(encode(&rig, api, VBR).bytes() == fs::read(usual_pictures(FULL_HD)).unwrap());
    }
}

#[test]
fn what_it_shows_can_be_replaced() {
    let rig = Rig::new();
    let other = garbage_pictures(FULL_HD);
    rig.show(FULL_HD, &other);
    assert!(encode(&rig, Api::Vaapi, VBR).bytes() == fs::read(other).unwrap());
}

#[test]
fn a_bit_rate_needs_huc() {
    let rig = Rig::new().without_huc();
    for api in BOTH {
        let refused = encode(&rig, api, VBR);
        assert!(!refused.output.status.success(), "{api:?}: {refused:?}");
        let sentence = match api {
            Api::Vaapi => "supported modes: CQP",
            Api::Qsv => "Selected ratecontrol mode is unsupported",
        };
        assert!(refused.said().contains(sentence), "{api:?}: {}", refused.said());
        assert_eq!(encode(&rig, api, CQP).decoded(), ipp(), "{api:?}");
    }
}

#[test]
fn the_gpu_may_be_the_second() {
    let rig = Rig::new().at(129);
    for api in BOTH {
        assert_eq!(encode(&rig, api, VBR).decoded(), ipp(), "{api:?}");
    }
    let first = rig
        .command("ffmpeg")
        .args(["-v", "error", "-init_hw_device", "vaapi=va:/dev/dri/renderD128"])
        .stdin(Stdio::null())
        .output()
        .expect("running ffmpeg");
    assert!(!first.status.success());
}

#[test]
fn a_program_sees_the_gpu_where_linux_has_it() {
    let rig = Rig::new().at(129);
    let seen = rig
        .command("sh")
        .args(["-c", "ls /dev/dri /sys/class/drm; stat -c '%F %t %T %a' /dev/dri/renderD129"])
        .output()
        .expect("running sh");
    let seen = String::from_utf8_lossy(&seen.stdout).into_owned();
    let nodes = "renderD128\nrenderD129\n";
    let wanted =
        format!("/dev/dri:\n{nodes}\n/sys/class/drm:\n{nodes}character special file e2 81 660\n");
    assert_eq!(seen, wanted);
    let device = rig
        .command("sh")
        .args(["-c", "cd /sys/class/drm/renderD129/device && cat vendor class && readlink driver"])
        .output()
        .expect("running sh");
    let device = String::from_utf8_lossy(&device.stdout).into_owned();
    assert_eq!(device, "0x8086\n0x030000\n../../../bus/pci/drivers/i915\n");
}

#[test]
fn a_gpu_that_was_taken_away_is_gone() {
    let rig = Rig::new();
    rig.unplug();
    for api in BOTH {
        assert!(!encode(&rig, api, VBR).output.status.success(), "{api:?}");
    }
}

#[test]
fn fail_is_an_error_of_the_encoder() {
    let rig = Rig::new();
    rig.set("fail");
    for api in BOTH {
        let failed = encode(&rig, api, VBR);
        // An exit, not a signal: QuickSync's runtime likes to abort.
        assert!(failed.output.status.code().is_some_and(|code| code != 0), "{api:?}: {failed:?}");
        let sentence = match api {
            Api::Vaapi => "internal encoding error",
            // Its further words differ from release to release.
            Api::Qsv => "[h264_qsv @",
        };
        assert!(failed.said().contains(sentence), "{api:?}: {}", failed.said());
    }
    rig.set("");
    assert_eq!(encode(&rig, Api::Qsv, VBR).decoded(), ipp());
}

#[test]
fn hang_lasts_until_it_is_taken_back() {
    for api in BOTH {
        let rig = Rig::new();
        rig.set("hang");
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("encoded.h264");
        let mut child = ffmpeg(&rig, api, FULL_HD, 30, VBR, &file).spawn().expect("running ffmpeg");
        // Far longer than it takes otherwise.
        assert!(!ends(&mut child, Duration::from_secs(3)), "{api:?}: it did not hang");
        rig.set("");
        assert!(ends(&mut child, PATIENCE), "{api:?}: it still hangs");
        let output = child.wait_with_output().unwrap();
        let encoded = Encoded { output, file, _directory: directory };
        assert_eq!(encoded.decoded(), ipp(), "{api:?}");
    }
}

#[test]
fn slow_takes_its_time_for_each_picture() {
    let rig = Rig::new();
    rig.set("slow");
    for api in BOTH {
        let begin = Instant::now();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("encoded.h264");
        let output = ffmpeg(&rig, api, FULL_HD, 5, VBR, &file).output().expect("running ffmpeg");
        assert!(begin.elapsed() >= Duration::from_millis(1500), "{api:?}: {:?}", begin.elapsed());
        let encoded = Encoded { output, file, _directory: directory };
        assert_eq!(encoded.decoded(), "IPPPP", "{api:?}");
    }
}

#[test]
fn crash_is_a_crash() {
    let rig = Rig::new();
    rig.set("crash");
    for api in BOTH {
        let crashed = encode(&rig, api, VBR);
        let signal = crashed.output.status.signal();
        assert_eq!(signal, Some(Signal::SEGV.as_raw()), "{api:?}: {}", crashed.said());
    }
}

#[test]
fn garbage_is_other_pictures() {
    let rig = Rig::new();
    rig.set("garbage");
    for api in BOTH {
        let garbage = encode(&rig, api, VBR);
        assert_eq!(garbage.decoded(), ipp(), "{api:?}");
        assert!(garbage.bytes() == fs::read(garbage_pictures(FULL_HD)).unwrap(), "{api:?}");
    }
}

#[test]
fn one_way_to_encode_can_be_broken_alone() {
    let rig = Rig::new();
    rig.set("qsv:fail");
    assert!(!encode(&rig, Api::Qsv, VBR).output.status.success());
    assert_eq!(encode(&rig, Api::Vaapi, VBR).decoded(), ipp());
    rig.set("vaapi:crash");
    assert!(!encode(&rig, Api::Vaapi, VBR).output.status.success());
    assert_eq!(encode(&rig, Api::Qsv, VBR).decoded(), ipp());
}

/// Debian cuts out of this driver what is not free, and it still lists what it can no longer do.
#[test]
fn the_free_i965_driver_dies_when_it_is_to_encode() {
    let rig = Rig::new().platform(Platform::CoffeeLake);
    let ended = rig
        .command("ffmpeg")
        .args(["-v", "error", "-vaapi_device", "/dev/dri/renderD128", "-f", "lavfi"])
        .args(["-i", "smptebars=size=1920x1080", "-frames:v", "1", "-vf", "format=nv12,hwupload"])
        .args(["-c:v", "h264_vaapi", "-f", "null", "-"])
        .env("LIBVA_DRIVER_NAME", "i965")
        .stdin(Stdio::null())
        .output()
        .expect("running ffmpeg");
    let said = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.signal(), Some(Signal::ABORT.as_raw()), "{said}");
}
