//! What people and programs are told of the GPUs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GpuView {
    /// Its render node, such as `/dev/dri/renderD128`.
    pub node: String,
    /// What it is, as far as it is known.
    pub name: String,
    /// Its place on the bus, such as `0000:00:02.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pci: Option<String>,
    /// The kernel's driver, such as `i915`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub driver: Option<String>,
    /// Whether something encodes on it.
    pub usable: bool,
    /// Why nothing is tried on it; a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What came of each way to encode on it, by the encoder's name in libavcodec's words.
    pub encoders: BTreeMap<String, EncoderView>,
}

/// A way to encode on a GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncoderView {
    /// It has proven that it works.
    pub works: bool,
    /// How it keeps the bit rate, such as `VBR`; with `CQP` nothing caps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_control: Option<String>,
    /// What its VA-API driver calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub va_driver: Option<String>,
    /// Why it does not work, as a word for programs, such as `no-runtime`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why it does not work, or not well; a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// What to do about it, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}
