use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::{BitRate, FrameRate, Size};

/// A named choice of size and bit rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Quality {
    #[default]
    #[serde(rename = "1080p")]
    Hd1080,
    #[serde(rename = "720p")]
    Hd720,
    #[serde(rename = "low-latency")]
    LowLatency,
}

impl Quality {
    pub const ALL: [Self; 3] = [Self::Hd1080, Self::Hd720, Self::LowLatency];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Hd1080 => "1080p",
            Self::Hd720 => "720p",
            Self::LowLatency => "low-latency",
        }
    }

    pub const fn size(self) -> Size {
        match self {
            Self::Hd1080 => Size::new(1920, 1080),
            Self::Hd720 | Self::LowLatency => Size::new(1280, 720),
        }
    }

    pub const fn bit_rate(self) -> BitRate {
        match self {
            Self::Hd1080 => BitRate::from_kbit(5000),
            Self::Hd720 => BitRate::from_kbit(2500),
            Self::LowLatency => BitRate::from_kbit(2000),
        }
    }

    /// H.264 level 4.1, the most that every Cast device plays, ends at 1080p30.
    pub const fn highest_frame_rate(self) -> FrameRate {
        match self {
            Self::Hd1080 => FrameRate::DEFAULT,
            Self::Hd720 | Self::LowLatency => FrameRate::HIGHEST,
        }
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How the stream is handed out. Both are always there; this is the one a caller wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    #[default]
    Hls,
    Fmp4,
}

impl Mode {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hls => "hls",
            Self::Fmp4 => "fmp4",
        }
    }
}

/// The stream's sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audio {
    /// A silent track: some TVs refuse video without sound.
    #[default]
    Silent,
    None,
}

impl Audio {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::None => "none",
        }
    }
}

impl fmt::Display for Audio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_what_is_read() {
        for quality in Quality::ALL {
            assert_eq!(serde_json::to_value(quality).unwrap(), quality.name());
        }
        for audio in [Audio::Silent, Audio::None] {
            assert_eq!(serde_json::to_value(audio).unwrap(), audio.name());
        }
        for mode in [Mode::Hls, Mode::Fmp4] {
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.name());
        }
    }
}
