//! Looks into streams and pictures with ffmpeg.

use std::{path::Path, process::Command};

/// The addresses in a media playlist.
#[derive(Debug, Default)]
pub(crate) struct Playlist {
    /// What EXT-X-MAP names.
    pub(crate) init: Option<String>,
    pub(crate) segments: Vec<String>,
}

impl Playlist {
    pub(crate) fn parse(text: &str) -> Self {
        let mut playlist = Self::default();
        for line in text.lines().map(str::trim) {
            if let Some(map) = line.strip_prefix("#EXT-X-MAP:") {
                playlist.init = map
                    .split_once("URI=\"")
                    .and_then(|(_, uri)| uri.split_once('"'))
                    .map(|(uri, _)| uri.to_owned());
            } else if !line.is_empty() && !line.starts_with('#') {
                playlist.segments.push(line.to_owned());
            }
        }
        playlist
    }
}

/// How RGB became YUV, which decides how it comes back.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Matrix {
    /// What ffmpeg takes when it is told nothing.
    Bt601,
    Bt709,
}

/// Runs an ffmpeg command and returns what it said.
#[track_caller]
pub(crate) fn ffmpeg(command: &mut Command) -> String {
    let output = command.args(["-hide_banner", "-nostdin"]).output().expect("running ffmpeg");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {said}");
    said
}

/// How alike all frames of `video` are to `picture`: SSIM over red, green and blue, 1 for the same.
#[track_caller]
pub(crate) fn ssim(video: &Path, matrix: Matrix, picture: &Path) -> f64 {
    let matrix = match matrix {
        Matrix::Bt601 => "bt601",
        Matrix::Bt709 => "bt709",
    };
    let filter = format!(
        "[0:v]scale=in_color_matrix={matrix}:in_range=tv:out_range=pc\
         :flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp,format=gbrp,\
         setpts=PTS-STARTPTS[a];\
         [1:v]format=gbrp[b];[a][b]ssim"
    );
    let said = ffmpeg(Command::new("ffmpeg").arg("-i").arg(video).arg("-i").arg(picture).args([
        "-filter_complex",
        &filter,
        "-f",
        "null",
        "-",
    ]));
    said.rsplit_once(" All:")
        .and_then(|(_, value)| value.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("no SSIM in what ffmpeg said: {said}"))
}

/// The mean colour of the last frame of `video`.
#[track_caller]
pub(crate) fn last_colour(video: &Path) -> [u8; 3] {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-loglevel", "error", "-i"])
        .arg(video)
        .args(["-map", "0:v", "-vf", "scale=1:1:flags=area"])
        .args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .expect("running ffmpeg");
    assert!(
        output.status.success(),
        "decoding {}: {}",
        video.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    *output.stdout.last_chunk().expect("a frame")
}
