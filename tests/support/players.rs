//! Plays a stream as a TV would: in a real browser, with a real player.

use std::{
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::Deserialize;

use super::{chromium::Chromium, clock::Picture, files::Files, packages};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Player {
    HlsJs,
    Shaka43,
    Shaka415,
    Shaka52,
}

impl Player {
    /// As in `tests/players/libraries.js`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::HlsJs => "hls.js",
            Self::Shaka43 => "shaka-4.3",
            Self::Shaka415 => "shaka-4.15",
            Self::Shaka52 => "shaka-5.2",
        }
    }
}

/// What the page `tests/players/player.html` has seen.
#[derive(Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) errors: Vec<String>,
    /// When the picture stopped for want of data, in seconds since the page opened.
    pub(crate) stalls: Vec<f64>,
    pub(crate) samples: Vec<Sample>,
}

/// One second of a player's life.
#[derive(Debug, Deserialize)]
pub(crate) struct Sample {
    /// Seconds since the page opened.
    pub(crate) at: f64,
    /// The player's position in seconds.
    pub(crate) media: f64,
    pub(crate) decoded: u64,
    pub(crate) dropped: u64,
    /// Seconds between the picture's EXT-X-PROGRAM-DATE-TIME and now.
    pub(crate) lag: Option<f64>,
}

/// How a stream played.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) seen: Seen,
    /// What was on show at each look.
    pub(crate) clocks: Vec<Clock>,
    /// The last screenshot.
    pub(crate) picture: Picture,
}

/// The page's clock in a screenshot of the player.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Seconds since the page opened.
    pub(crate) at: f64,
    /// What the clock said, in Unix seconds.
    pub(crate) shown: Result<u32, String>,
    /// How far behind a wall clock that was, both read in whole seconds.
    pub(crate) behind: Option<i64>,
}

/// How often the picture is looked at, beside the page's own samples: a screenshot costs a tenth of
/// a second of the machine that also renders and encodes.
const LOOK: Duration = Duration::from_secs(5);

/// Plays the stream at `master_url` for `seconds`.
#[track_caller]
pub(crate) fn play(player: Player, master_url: &str, seconds: u64) -> Report {
    let files = Files::serve(packages::from_npm("players"));
    let mut browser = Chromium::launch(1920, 1080);
    let mut page = url::Url::parse(&files.url("player.html")).expect("the player's address");
    page.query_pairs_mut().append_pair("player", player.name()).append_pair("url", master_url);
    let started = Instant::now();
    browser.navigate(page.as_str());
    let mut clocks = Vec::new();
    let end = started + Duration::from_secs(seconds);
    loop {
        thread::sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
        let picture = Picture::from_png(&browser.screenshot());
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs();
        let shown = picture.clock();
        clocks.push(Clock {
            at: started.elapsed().as_secs_f64(),
            behind: shown.as_ref().ok().map(|&shown| now.cast_signed() - i64::from(shown)),
            shown,
        });
        if Instant::now() >= end {
            let seen = browser.evaluate("window.report");
            return Report {
                seen: serde_json::from_value(seen).expect("the player page's report"),
                clocks,
                picture,
            };
        }
    }
}
