use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::MediaTime;
use crate::units::{BitRate, FrameRate, Size};

/// What a decoder must know before the first packet, and what a person wants to know about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// The encoder's name in libavcodec's words: `libx264`, `h264_vaapi`, `h264_qsv`.
    pub encoder: String,
    pub size: Size,
    pub frame_rate: FrameRate,
    /// The most the encoder may produce, averaged over a few seconds.
    pub bit_rate: BitRate,
    /// Sequence parameter set, a whole NAL unit without start code.
    pub sps: Bytes,
    /// Picture parameter set, a whole NAL unit without start code.
    pub pps: Bytes,
}

/// One encoded picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packet {
    /// When the picture is shown. Strictly increasing; there are no B-frames, so decoding order is
    /// the same.
    pub time: MediaTime,
    /// An IDR picture: nothing after it refers to anything before it. Every IDR starts a segment.
    pub idr: bool,
    /// The access unit in Annex B form (NAL units behind start codes).
    pub data: Bytes,
}
