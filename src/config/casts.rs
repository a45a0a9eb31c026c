//! `[casts.NAME]`: what is shown by its name.

use std::{fmt, ops::RangeInclusive, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};
use url::Url;

use super::{problem::Place, reader::Reader, value::TimeSpan};
use crate::{
    media::{Audio, Quality},
    units::FrameRate,
};

/// What to do when the screen is in use at the start. A start is somebody's wish; later on, whoever
/// takes the screen keeps it, whatever stands here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnBusy {
    /// Wait until it is idle.
    #[default]
    Yield,
    /// Take it. Who takes it back has it for good, unless the cast is to come back by itself.
    Preempt,
    /// Take it, and when somebody takes it back, come again once they are done.
    PreemptAndReturn,
}

impl OnBusy {
    pub const ALL: [Self; 3] = [Self::Yield, Self::Preempt, Self::PreemptAndReturn];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Yield => "yield",
            Self::Preempt => "preempt",
            Self::PreemptAndReturn => "preempt-and-return",
        }
    }

    pub const fn preempts(self) -> bool {
        matches!(self, Self::Preempt | Self::PreemptAndReturn)
    }
}

impl fmt::Display for OnBusy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// `[casts.NAME]`: a page for a TV, started by its name. What is `None` is as for any other start that
/// does not say.
#[derive(Clone, Debug, PartialEq)]
pub struct Cast {
    pub url: Url,
    /// A JSON file with the page's credentials, read at each start.
    pub auth_file: Option<PathBuf>,
    /// Name, UUID or address of the TV, or "none".
    pub device: Option<String>,
    /// How long it is shown.
    pub duration: Option<Duration>,
    pub quality: Option<Quality>,
    pub audio: Option<Audio>,
    pub frame_rate: Option<FrameRate>,
    /// As a browser enlarges a page.
    pub zoom: Option<f64>,
    /// Pixels of the picture to one of the page.
    pub scale: Option<f64>,
    pub on_busy: OnBusy,
    /// How long the screen must have been idle before the cast comes back to it.
    pub resume_after: Option<Duration>,
    /// Loudness of the TV meanwhile.
    pub volume: Option<f64>,
}

impl Cast {
    /// Beyond a year, "for ever" is what was meant.
    pub const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);
    /// Chromium's own limits for page zoom.
    pub const ZOOM: RangeInclusive<f64> = 0.25..=5.0;
    pub const SCALE: RangeInclusive<f64> = 0.5..=4.0;
    pub const VOLUME: RangeInclusive<f64> = 0.0..=1.0;
    /// Who wants to wait longer than a day starts the cast again.
    pub const LATEST_RETURN: Duration = Duration::from_secs(24 * 60 * 60);

    /// `None` when there is none, or none that could be started; that is reported.
    pub(super) fn read(reader: &mut Reader<'_>, name: &str, place: Place) -> Option<Self> {
        if !can_be_named(name) {
            let shown: String = name.chars().take(64).collect();
            let message = format!(
                "{shown:?} cannot be the name of a cast; take 1 to 64 letters of a to z, digits, \"_\" \
                 and \"-\", and no \"-\" at the beginning"
            );
            reader.refuse(place, message);
            return None;
        }
        let section_name = format!("casts.{name}");
        if !reader.has(&section_name, "url") {
            reader.refuse(place, format!("{section_name} has no url; add the page to show"));
        }
        let mut section = reader.section(section_name);
        let url = section.option("url");
        let durations = TimeSpan::from_secs(1)..=Self::LONGEST.into();
        let returns = TimeSpan::from_secs(0)..=Self::LATEST_RETURN.into();
        Some(Self {
            auth_file: section.path("auth-file", None),
            // As with a path, "" takes back what an earlier file gave.
            device: section.option("device").filter(|name: &String| !name.is_empty()),
            duration: section.option_within("duration", durations).map(TimeSpan::duration),
            quality: section.option("quality"),
            audio: section.option("audio"),
            frame_rate: section.option("frame-rate"),
            zoom: section.option_within("zoom", Self::ZOOM),
            scale: section.option_within("scale", Self::SCALE),
            on_busy: section.option("on-busy").unwrap_or_default(),
            resume_after: section.option_within("resume-after", returns).map(TimeSpan::duration),
            volume: section.option_within("volume", Self::VOLUME),
            // Last: what else is wrong is reported as well.
            url: url?,
        })
    }
}

/// It is part of the names of units and of addresses, where nothing else stands for itself.
fn can_be_named(name: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    (1..=64).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with('-')
}
