//! The usual way: a browser on a virtual X display, grabbed and encoded thirty times a second.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use tempfile::TempDir;

use crate::{child::Running, video};

/// The reference pipeline, running.
#[derive(Debug)]
pub(crate) struct Reference {
    // In the order in which they must end.
    _ffmpeg: Running,
    _chromium: Running,
    _display: Running,
    display: String,
    directory: TempDir,
}

impl Reference {
    #[track_caller]
    pub(crate) fn start(url: &str) -> Self {
        let directory = tempfile::tempdir().expect("making a directory");
        let (server, display) = x_server();
        let chromium = chromium(url, &display, directory.path());
        let ffmpeg = ffmpeg(&display, &directory.path().join("stream.m3u8"));
        Self { _ffmpeg: ffmpeg, _chromium: chromium, _display: server, display, directory }
    }

    /// The display's picture, lossless.
    #[track_caller]
    pub(crate) fn picture(&self) -> PathBuf {
        let picture = self.directory.path().join("display.png");
        video::ffmpeg(
            Command::new("ffmpeg")
                .args(["-f", "x11grab", "-draw_mouse", "0"])
                .args(["-video_size", "1920x1080", "-i", &self.display])
                .args(["-frames:v", "1", "-y"])
                .arg(&picture),
        );
        picture
    }

    /// The newest whole segment, as it is on disk.
    #[track_caller]
    pub(crate) fn newest_segment(&self) -> PathBuf {
        let directory = self.directory.path();
        let playlist = std::fs::read_to_string(directory.join("stream.m3u8"))
            .expect("the reference's playlist");
        let name =
            video::Playlist::parse(&playlist).segments.pop().expect("a segment of the reference");
        directory.join(name)
    }
}

fn x_server() -> (Running, String) {
    let mut server = Running::start(
        Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "1920x1080x24"])
            .args(["-nolisten", "tcp"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null()),
    );
    let mut display = String::new();
    // Xvfb says its number when it is ready.
    BufReader::new(server.0.stdout.take().expect("Xvfb's output"))
        .read_line(&mut display)
        .expect("Xvfb's display number");
    let display = format!(":{}", display.trim());
    (server, display)
}

fn chromium(url: &str, display: &str, directory: &Path) -> Running {
    let mut command = Command::new("chromium");
    command
        .args(["--kiosk", "--window-position=0,0", "--window-size=1920,1080"])
        .args(["--no-first-run", "--noerrdialogs", "--password-store=basic"])
        .args(["--disable-gpu", "--disable-infobars", "--test-type"])
        .args(["--disable-session-crashed-bubble", "--disable-notifications"])
        .arg("--autoplay-policy=no-user-gesture-required")
        .arg(format!("--user-data-dir={}", directory.join("profile").display()))
        .env("DISPLAY", display)
        // A killed Chromium leaves its sockets' directory behind.
        .env("TMPDIR", directory)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if rustix::process::geteuid().is_root() {
        command.arg("--no-sandbox");
    }
    Running::start(command.arg(url))
}

fn ffmpeg(display: &str, playlist: &Path) -> Running {
    Running::start(
        Command::new("ffmpeg")
            .args(["-nostdin", "-loglevel", "error", "-f", "x11grab"])
            .args(["-framerate", "30", "-video_size", "1920x1080"])
            .args(["-draw_mouse", "0", "-i", display])
            .args(["-c:v", "libx264", "-preset", "medium", "-b:v", "5000k"])
            .args(["-maxrate", "5000k", "-bufsize", "10000k"])
            .args(["-pix_fmt", "yuv420p", "-g", "60", "-bf", "2", "-refs", "3"])
            .args(["-f", "hls", "-hls_time", "2", "-hls_list_size", "10"])
            .args(["-hls_flags", "delete_segments"])
            .arg(playlist)
            .stdout(Stdio::null()),
    )
}
