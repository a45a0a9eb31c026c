//! Which GPU encodes.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The GPU to encode on: `auto`, `none`, `pci:0000:00:02.0` or `/dev/dri/renderD128`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum GpuChoice {
    /// The best that works.
    #[default]
    Auto,
    /// The CPU encodes.
    None,
    /// The one at this place on the bus, whatever its node's number is after the next boot.
    Pci(String),
    /// The one with this render node.
    Node(PathBuf),
}

/// A text names no GPU.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no GPU: it is \"auto\", \"none\", \"pci:0000:00:02.0\" (see lspci -D) or \
     \"/dev/dri/renderD128\""
)]
pub struct GpuChoiceError(String);

impl FromStr for GpuChoice {
    type Err = GpuChoiceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || GpuChoiceError(text.to_owned());
        match text {
            "auto" => return Ok(Self::Auto),
            "none" => return Ok(Self::None),
            _ => {}
        }
        if let Some(place) = text.strip_prefix("pci:") {
            let lengths: Vec<_> = place.split([':', '.']).map(str::len).collect();
            let is_hex = |c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '.');
            let is_place = lengths == [4, 2, 2, 1] && place.chars().all(is_hex);
            return is_place.then(|| Self::Pci(place.to_lowercase())).ok_or_else(error);
        }
        let number = text.strip_prefix("/dev/dri/renderD").ok_or_else(error)?;
        match number.parse::<u32>() {
            Ok(_) => Ok(Self::Node(text.into())),
            Err(_) => Err(error()),
        }
    }
}

impl TryFrom<String> for GpuChoice {
    type Error = GpuChoiceError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<GpuChoice> for String {
    fn from(choice: GpuChoice) -> Self {
        choice.to_string()
    }
}

impl fmt::Display for GpuChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::None => f.write_str("none"),
            Self::Pci(place) => write!(f, "pci:{place}"),
            Self::Node(node) => write!(f, "{}", node.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for text in ["auto", "none", "pci:0000:00:02.0", "/dev/dri/renderD129"] {
            assert_eq!(text.parse::<GpuChoice>().unwrap().to_string(), text);
        }
        assert_eq!("pci:0000:0A:00.0".parse(), Ok(GpuChoice::Pci("0000:0a:00.0".to_owned())));
    }

    #[test]
    fn what_names_no_gpu_is_refused() {
        for text in ["", "Auto", "pci:00:02.0", "pci:0000:00:02.x", "/dev/dri/card0", "renderD128"]
        {
            let error = text.parse::<GpuChoice>().unwrap_err();
            assert!(error.to_string().contains("/dev/dri/renderD128"), "{error}");
        }
    }
}
