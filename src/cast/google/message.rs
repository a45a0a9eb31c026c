//! The envelope of every word between a TV and us, as `cast_channel.proto` of Open Screen has it.

use bytes::Bytes;
use prost::Message as _;

/// We, wherever we talk to; a TV tells its senders apart by their connections.
pub(super) const SENDER: &str = "sender-0";
/// The TV itself, in contrast to the apps on it.
pub(super) const PLATFORM: &str = "receiver-0";

pub(super) const CONNECTION: &str = "urn:x-cast:com.google.cast.tp.connection";
pub(super) const HEARTBEAT: &str = "urn:x-cast:com.google.cast.tp.heartbeat";
pub(super) const RECEIVER: &str = "urn:x-cast:com.google.cast.receiver";
pub(super) const MEDIA: &str = "urn:x-cast:com.google.cast.media";

/// A payload of text; the other kind is bytes, which only device authentication uses.
const STRING: i32 = 0;

/// Written by hand: seven fields are not worth a protobuf compiler.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct CastMessage {
    #[prost(int32, required, tag = "1")]
    protocol_version: i32,
    #[prost(string, required, tag = "2")]
    pub(super) source_id: String,
    #[prost(string, required, tag = "3")]
    pub(super) destination_id: String,
    #[prost(string, required, tag = "4")]
    pub(super) namespace: String,
    #[prost(int32, required, tag = "5")]
    payload_type: i32,
    #[prost(string, optional, tag = "6")]
    payload_utf8: Option<String>,
    #[prost(bytes = "bytes", optional, tag = "7")]
    payload_binary: Option<Bytes>,
}

impl CastMessage {
    pub(super) fn new(destination: &str, namespace: &str, body: &serde_json::Value) -> Self {
        Self {
            protocol_version: 0,
            source_id: SENDER.to_owned(),
            destination_id: destination.to_owned(),
            namespace: namespace.to_owned(),
            payload_type: STRING,
            payload_utf8: Some(body.to_string()),
            payload_binary: None,
        }
    }

    /// # Errors
    /// The bytes are no such message.
    pub(super) fn parse(bytes: Bytes) -> Result<Self, prost::DecodeError> {
        Self::decode(bytes)
    }

    /// What it says, unless that is bytes.
    pub(super) fn text(&self) -> Option<&str> {
        self.payload_utf8.as_deref().filter(|_| self.payload_type == STRING)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// The bytes are those that another implementation of the protocol sends for this message.
    #[test]
    fn a_message_has_the_bytes_of_the_protocol() {
        let message = CastMessage::new(PLATFORM, HEARTBEAT, &json!({"type": "PING"}));
        let mut expected = b"\x08\x00\x12\x08sender-0\x1a\x0areceiver-0\x22\x27".to_vec();
        expected
            .extend(b"urn:x-cast:com.google.cast.tp.heartbeat\x28\x00\x32\x0f{\"type\":\"PING\"}");
        assert_eq!(message.encode_to_vec(), expected);
        let parsed = CastMessage::parse(expected.into()).unwrap();
        assert_eq!(parsed.text(), Some(r#"{"type":"PING"}"#));
    }

    #[test]
    fn bytes_are_no_text() {
        let mut message = CastMessage::new(PLATFORM, MEDIA, &json!({}));
        message.payload_type = 1;
        assert_eq!(message.text(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_parse_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            drop(CastMessage::parse(bytes.into()));
        }
    }
}
