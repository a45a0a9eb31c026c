//! The `ffmpeg` program on the rig, for what it costs without us.

use crate::rig::Rig;

/// Long enough for the kernel's clock, and short enough to be done often.
const PICTURES: u32 = 300;
/// What it costs to be there.
const FEW: u32 = 20;

/// As many bytes are never freed.
const KEPT: &str = "1000000000";

/// Milliseconds of CPU for a picture of 1080p in this format, which costs next to nothing itself; `Err` is
/// what ffmpeg says when it cannot do that.
pub(crate) fn per_picture(rig: &Rig, format: &str, options: &[&str]) -> Result<f64, String> {
    let few = run(rig, format, options, FEW)?;
    let many = run(rig, format, options, FEW + PICTURES)?;
    Ok((many - few) / f64::from(PICTURES))
}

fn run(rig: &Rig, format: &str, options: &[&str], pictures: u32) -> Result<f64, String> {
    let node = rig.node().display().to_string();
    let output = rig
        .command("ffmpeg")
        // The driver's buffers are as large as pictures, and there the C library gives such memory back to
        // the kernel and gets it anew for each picture, which costs three times what is measured.
        .env("MALLOC_MMAP_THRESHOLD_", KEPT)
        .env("MALLOC_TRIM_THRESHOLD_", KEPT)
        .args(["-hide_banner", "-nostdin", "-nostats", "-benchmark"])
        .args(["-init_hw_device", &format!("vaapi=va:{node},driver=iHD")])
        .args(["-init_hw_device", "qsv=qs@va", "-filter_hw_device", "va", "-f", "lavfi"])
        .args(["-i", &format!("color=size=1920x1080:rate=30,format={format}")])
        .args(["-frames:v", &pictures.to_string()])
        .args(options)
        .args(["-f", "null", "-"])
        .output()
        .expect("running ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if !output.status.success() {
        return Err(said);
    }
    // bench: utime=0.764s stime=1.262s rtime=5.947s
    let line = said.lines().find(|line| line.starts_with("bench: utime=")).expect("its times");
    let seconds = |name: &str| -> f64 {
        let (_, value) = line.split_once(name).expect("a time");
        value.split('s').next().and_then(|value| value.parse().ok()).expect("seconds")
    };
    Ok(1000.0 * (seconds("utime=") + seconds("stime=")))
}
