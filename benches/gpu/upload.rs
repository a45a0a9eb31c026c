//! Which way pixels take to the GPU: converted here, as they do now, or as they are, to be converted there.
//!
//! Only the conversion is spared where nothing changed: the upload is of the whole picture either way, and
//! most of it is, on the rig, the driver tiling it. So conversion of what changed and upload of
//! 1.5 bytes a pixel are held against an upload of 4. For the CPU the former is dearer by a fifth where all of
//! a picture changes, and cheaper by that or more where a tenth does, which is what dashboards are. It asks
//! nothing of the GPU; and Debian's driver for Intel's leaves no choice, for it has no video processing.

use crate::{ffmpeg, frames, report::Report, rig::Rig, summary};

const RUNS: usize = 5;

pub(crate) fn measure(rig: &Rig, report: &mut Report) {
    eprintln!("bench: upload");
    let upload = |format: &str| {
        let once = || {
            let with = ffmpeg::per_picture(rig, format, &["-vf", "hwupload"]).expect("uploading");
            with - ffmpeg::per_picture(rig, format, &[]).expect("doing nothing")
        };
        summary((0..RUNS).map(|_| once()).collect()).0
    };
    let nv12 = upload("nv12");
    for (rows, damage) in frames::DAMAGES {
        let conversion = frames::on_rig(rig, "h264_vaapi", rows).conversion;
        let title = format!("conversion here, upload of NV12, ms (upload {nv12:.2}), {damage}");
        report.figure(&title, conversion + nv12);
    }
    report.figure("upload of BGRA, ms", upload("bgr0"));
    let conversion = ["-vf", "hwupload,scale_vaapi=format=nv12"];
    match ffmpeg::per_picture(rig, "bgr0", &conversion) {
        Ok(cost) => report.figure("upload of BGRA, conversion by the driver, ms", cost),
        Err(said) => {
            // [Parsed_scale_vaapi_1 @ 0x55aa9c880e40] Failed to create processing pipeline config: 12 (…)
            let why =
                said.lines().find_map(|line| line.split_once("] Failed ")).map(|(_, why)| why);
            let why = format!("not by this driver: failed {}", why.unwrap_or("to start"));
            report.none("conversion by the driver", &why);
        }
    }
}
