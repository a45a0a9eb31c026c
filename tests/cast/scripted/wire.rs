//! The protocol's envelope and its words.

use prost::Message as _;
use serde_json::Value;

pub(crate) const CONNECTION: &str = "urn:x-cast:com.google.cast.tp.connection";
pub(crate) const HEARTBEAT: &str = "urn:x-cast:com.google.cast.tp.heartbeat";
pub(crate) const RECEIVER: &str = "urn:x-cast:com.google.cast.receiver";
pub(crate) const MEDIA: &str = "urn:x-cast:com.google.cast.media";

pub(crate) const PLAYER: &str = "CC1AD845";
pub(crate) const IDLE_SCREEN: &str = "E8C28D3C";

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Envelope {
    #[prost(int32, required, tag = "1")]
    pub(crate) version: i32,
    #[prost(string, required, tag = "2")]
    pub(crate) source: String,
    #[prost(string, required, tag = "3")]
    pub(crate) destination: String,
    #[prost(string, required, tag = "4")]
    pub(crate) namespace: String,
    #[prost(int32, required, tag = "5")]
    pub(crate) kind: i32,
    #[prost(string, optional, tag = "6")]
    pub(crate) text: Option<String>,
    #[prost(bytes = "vec", optional, tag = "7")]
    pub(crate) binary: Option<Vec<u8>>,
}

impl Envelope {
    pub(crate) fn new(source: &str, destination: &str, namespace: &str, body: &Value) -> Self {
        Self {
            source: source.to_owned(),
            destination: destination.to_owned(),
            namespace: namespace.to_owned(),
            text: Some(body.to_string()),
            ..Self::default()
        }
    }

    pub(crate) fn frame(&self) -> Vec<u8> {
        frame(&self.encode_to_vec())
    }
}

pub(crate) fn frame(message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).expect("a length");
    [&length.to_be_bytes(), message].concat()
}
