//! Quantities that must not be mixed up.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A picture's size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

impl Size {
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Pixels in the picture.
    pub const fn pixels(self) -> usize {
        self.width as usize * self.height as usize
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// Frames in one second, the most that a stream may carry: 1 to 60.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct FrameRate(u32);

impl FrameRate {
    /// What every Cast device plays at 1920×1080.
    pub const DEFAULT: Self = Self(30);
    pub const HIGHEST: Self = Self(60);

    /// Returns `None` outside 1 to 60.
    pub const fn new(per_second: u32) -> Option<Self> {
        if per_second >= 1 && per_second <= Self::HIGHEST.0 { Some(Self(per_second)) } else { None }
    }

    pub const fn per_second(self) -> u32 {
        self.0
    }
}

impl Default for FrameRate {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl TryFrom<u32> for FrameRate {
    type Error = String;

    fn try_from(per_second: u32) -> Result<Self, Self::Error> {
        Self::new(per_second)
            .ok_or_else(|| format!("a frame rate of {per_second} is not between 1 and 60"))
    }
}

impl From<FrameRate> for u32 {
    fn from(rate: FrameRate) -> Self {
        rate.0
    }
}

/// Bits in one second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BitRate(u64);

impl BitRate {
    pub const fn from_kbit(kbit_per_second: u32) -> Self {
        Self(kbit_per_second as u64 * 1000)
    }

    pub const fn from_bits(bits_per_second: u64) -> Self {
        Self(bits_per_second)
    }

    pub const fn bits_per_second(self) -> u64 {
        self.0
    }

    pub const fn kbit_per_second(self) -> u64 {
        self.0 / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_rate_stays_within_what_devices_play() {
        assert_eq!(FrameRate::new(0), None);
        assert_eq!(FrameRate::new(61), None);
        assert_eq!(FrameRate::new(30), Some(FrameRate::DEFAULT));
        assert!(serde_json::from_str::<FrameRate>("0").is_err());
    }

    #[test]
    fn bit_rates_convert_exactly() {
        assert_eq!(BitRate::from_kbit(5000).bits_per_second(), 5_000_000);
        assert_eq!(BitRate::from_kbit(5000).kbit_per_second(), 5000);
    }
}
