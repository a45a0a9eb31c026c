//! What went wrong at a TV, for people.

use std::fmt;

/// A `detailedErrorCode` of Google's player. The list grows, so what is not in it is told as well.
///
/// Source: "Error codes" in Google's Web Receiver documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PlayerError(pub(super) i64);

impl PlayerError {
    const fn name(self) -> Option<&'static str> {
        Some(match self.0 {
            100 => "MEDIA_UNKNOWN",
            101 => "MEDIA_ABORTED",
            102 => "MEDIA_DECODE",
            103 => "MEDIA_NETWORK",
            104 => "MEDIA_SRC_NOT_SUPPORTED",
            110 => "SOURCE_BUFFER_FAILURE",
            201 => "MEDIAKEYS_UNKNOWN",
            202 => "MEDIAKEYS_NETWORK",
            203 => "MEDIAKEYS_UNSUPPORTED",
            204 => "MEDIAKEYS_WEBCRYPTO",
            300 => "NETWORK_UNKNOWN",
            301 => "SEGMENT_NETWORK",
            311 => "HLS_NETWORK_MASTER_PLAYLIST",
            312 => "HLS_NETWORK_PLAYLIST",
            313 => "HLS_NETWORK_NO_KEY_RESPONSE",
            314 => "HLS_NETWORK_KEY_LOAD",
            315 => "HLS_NETWORK_INVALID_SEGMENT",
            316 => "HLS_SEGMENT_PARSING",
            321 => "DASH_NETWORK",
            322 => "DASH_NO_INIT",
            331 => "SMOOTH_NETWORK",
            332 => "SMOOTH_NO_MEDIA_DATA",
            400 => "MANIFEST_UNKNOWN",
            411 => "HLS_MANIFEST_MASTER",
            412 => "HLS_MANIFEST_PLAYLIST",
            420 => "DASH_MANIFEST_UNKNOWN",
            421 => "DASH_MANIFEST_NO_PERIODS",
            422 => "DASH_MANIFEST_NO_MIMETYPE",
            423 => "DASH_INVALID_SEGMENT_INFO",
            431 => "SMOOTH_MANIFEST",
            500 => "SEGMENT_UNKNOWN",
            600 => "TEXT_UNKNOWN",
            900 => "APP",
            901 => "BREAK_CLIP_LOADING_ERROR",
            902 => "BREAK_SEEK_INTERCEPTOR_ERROR",
            903 => "IMAGE_ERROR",
            904 => "LOAD_INTERRUPTED",
            905 => "LOAD_FAILED",
            906 => "MEDIA_ERROR_MESSAGE",
            909 | 999 => "GENERIC",
            _ => return None,
        })
    }
}

impl fmt::Display for PlayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "error {} {name}", self.0),
            None => write!(f, "error {}", self.0),
        }
    }
}

/// Why the player did not start, from the TV's own word for it.
pub(super) fn launch(reason: &str) -> String {
    let meaning = match reason {
        "NOT_FOUND" => "it does not have the player, or cannot fetch it from the internet",
        "CANCELLED" => "it gave up twice",
        "SYSTEM_ERROR" => "it has trouble of its own",
        "NOT_ALLOWED" => "it does not allow this",
        _ => return format!("the TV did not start the player: {reason}"),
    };
    format!("the TV did not start the player: {meaning} ({reason})")
}

/// Why the stream was not loaded: the kind of the answer, and whatever else is known.
pub(super) fn load(kind: &str, reason: Option<&str>, error: Option<PlayerError>) -> String {
    let what = match kind {
        "LOAD_FAILED" => "the TV could not load the stream",
        "LOAD_CANCELLED" => "the TV loads something else instead of the stream",
        "INVALID_PLAYER_STATE" => "the TV's player is not ready for the stream",
        _ => "the TV refused the stream",
    };
    let details = error.map(|error| error.to_string()).into_iter().chain(reason.map(str::to_owned));
    let details: Vec<_> = details.collect();
    if details.is_empty() {
        format!("{what} and does not say why")
    } else {
        format!("{what}: {}", details.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_and_unknown_ones_survive() {
        assert_eq!(PlayerError(312).to_string(), "error 312 HLS_NETWORK_PLAYLIST");
        assert_eq!(PlayerError(-7).to_string(), "error -7");
    }

    #[test]
    fn failures_are_sentences() {
        assert_eq!(
            load("LOAD_FAILED", None, Some(PlayerError(315))),
            "the TV could not load the stream: error 315 HLS_NETWORK_INVALID_SEGMENT"
        );
        assert_eq!(
            load("LOAD_FAILED", None, None),
            "the TV could not load the stream and does not say why"
        );
        assert_eq!(
            load("INVALID_REQUEST", Some("INVALID_PARAMS"), None),
            "the TV refused the stream: INVALID_PARAMS"
        );
        assert_eq!(launch("NEW_WORD"), "the TV did not start the player: NEW_WORD");
    }
}
