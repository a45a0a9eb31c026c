//! What can encode a session's picture, as values: ways to encode, and what came of trying them.

use std::{
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};

/// A way to encode H.264.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Encoding {
    /// On the media engine of a GPU.
    Hardware {
        api: Api,
        /// The render node, such as `/dev/dri/renderD128`.
        node: PathBuf,
        /// The VA-API driver to load; without it libva chooses by the kernel's driver.
        driver: Option<VaDriver>,
    },
    /// On the CPU, by libx264. Always there.
    Software,
}

/// How the media engine is talked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Api {
    /// Intel QuickSync, by libmfx or libvpl.
    Qsv,
    Vaapi,
}

/// A driver of VA-API that is asked for by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum VaDriver {
    /// `intel-media-driver`, for Broadwell and later.
    Ihd,
    /// `intel-vaapi-driver`, up to Coffee Lake.
    I965,
}

impl VaDriver {
    /// As libva spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ihd => "iHD",
            Self::I965 => "i965",
        }
    }
}

impl Encoding {
    /// The encoder in libavcodec's words.
    pub const fn encoder(&self) -> &'static str {
        match self {
            Self::Hardware { api: Api::Qsv, .. } => "h264_qsv",
            Self::Hardware { api: Api::Vaapi, .. } => "h264_vaapi",
            Self::Software => "libx264",
        }
    }

    /// The VA-API driver, when it is asked for by name.
    pub const fn driver(&self) -> Option<VaDriver> {
        match self {
            Self::Hardware { driver, .. } => *driver,
            Self::Software => None,
        }
    }

    /// The GPU's render node.
    pub fn node(&self) -> Option<&Path> {
        match self {
            Self::Hardware { node, .. } => Some(node),
            Self::Software => None,
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encoder())?;
        let Self::Hardware { node, driver, .. } = self else { return Ok(()) };
        write!(f, " on {}", node.display())?;
        match driver {
            Some(driver) => write!(f, " with {}", driver.name()),
            None => Ok(()),
        }
    }
}

/// That an encoding works here: it encoded a known picture, and what it wrote shows that picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// How the bit rate is kept, such as `VBR`; with `CQP` nothing caps it.
    pub rate_control: String,
    /// What the VA-API driver calls itself.
    pub driver: String,
    /// Structural similarity of what was encoded and what came out, 1 when equal.
    pub similarity: f64,
    pub took: Duration,
}

/// Why an encoding does not work here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Refusal {
    /// The render node is not there.
    NoNode,
    /// Its owner, group and mode keep the encoder out (`EACCES`).
    NotPermitted,
    /// The device cgroup keeps the encoder out (`EPERM`).
    Denied,
    /// The node leads to no device any more (`ENODEV`, `ENXIO`).
    Dead,
    /// The linked libavcodec was built without it.
    NotBuiltIn,
    /// libva loads no driver for it; what libva said.
    NoVaDriver(String),
    /// The VA-API driver does not encode H.264 on this GPU.
    NoEncoder(String),
    /// The VA-API driver encodes, but keeps no bit rate and no quality that was asked for.
    NoRateControl(String),
    /// No QuickSync runtime takes this GPU; what libmfx or libvpl said.
    NoRuntime(String),
    /// Something else failed; what libav said.
    Failed(String),
    /// What it wrote does not show what was encoded; similarity in thousandths.
    WrongPicture { similarity: u32 },
    /// The process that tried it ended.
    Crashed,
    /// It did not come to an end in time.
    Hung,
}

impl Refusal {
    /// It as a word for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::NoNode => "no-node",
            Self::NotPermitted => "not-permitted",
            Self::Denied => "denied",
            Self::Dead => "dead",
            Self::NotBuiltIn => "not-built-in",
            Self::NoVaDriver(_) => "no-va-driver",
            Self::NoEncoder(_) => "no-encoder",
            Self::NoRateControl(_) => "no-rate-control",
            Self::NoRuntime(_) => "no-runtime",
            Self::Failed(_) => "failed",
            Self::WrongPicture { .. } => "wrong-picture",
            Self::Crashed => "crashed",
            Self::Hung => "hung",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoNode => f.write_str("the render node is not there"),
            Self::NotPermitted => f.write_str("the encoder may not open the render node (EACCES)"),
            Self::Denied => {
                f.write_str("the device cgroup keeps the encoder from the render node (EPERM)")
            }
            Self::Dead => f.write_str("the render node leads to no device any more"),
            Self::NotBuiltIn => f.write_str("this libavcodec was built without it"),
            Self::NoVaDriver(said) => write!(f, "no VA-API driver could be loaded: {said}"),
            Self::NoEncoder(said) => write!(f, "the driver encodes no H.264 here: {said}"),
            Self::NoRateControl(said) => {
                write!(f, "the driver has no rate control to encode with: {said}")
            }
            Self::NoRuntime(said) => write!(f, "no QuickSync runtime for this GPU: {said}"),
            Self::Failed(said) => write!(f, "encoding failed: {said}"),
            Self::WrongPicture { similarity } => {
                write!(f, "what it encodes is not what it was given (similarity 0.{similarity:03})")
            }
            Self::Crashed => f.write_str("the driver crashed"),
            Self::Hung => f.write_str("the driver hung"),
        }
    }
}
