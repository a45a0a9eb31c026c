//! Names of things that outlive a function call.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The public name of one session: 8 lower-case hexadecimal digits, unique while the daemon lives.
///
/// It is short because people type it (`/sessions/<id>`), and it holds nothing that a D-Bus object
/// path would have to escape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(String);

impl SessionId {
    /// Draws a new random id.
    ///
    /// # Errors
    /// The kernel's random source failed.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_hex::<4>().map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SessionId {
    /// Takes a name that somebody gave us; whether such a session exists is the registry's answer.
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The secret part of a session's media address: 128 random bits.
///
/// TVs cannot send a token of their own, so knowing the address is the permission to watch. It is
/// never logged: `Debug` hides it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MediaToken(String);

impl MediaToken {
    /// Draws a new random token.
    ///
    /// # Errors
    /// The kernel's random source failed.
    pub fn random() -> Result<Self, getrandom::Error> {
        random_hex::<16>().map(Self)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Where the HTTP server has the session's HLS stream: its multivariant playlist.
    pub fn hls_path(&self) -> String {
        self.path("master.m3u8")
    }

    /// Where the HTTP server has the session as one endless MP4 file.
    pub fn fmp4_path(&self) -> String {
        self.path("stream.mp4")
    }

    fn path(&self, file: &str) -> String {
        format!("/media/{}/{file}", self.0)
    }
}

impl fmt::Debug for MediaToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MediaToken(…)")
    }
}

/// The unchanging name of a TV: its UUID as 32 lower-case hexadecimal digits, as it announces itself.
///
/// Addresses change and names are given twice; this does neither. A TV that never announced itself
/// and is known by its address only is named by the adapter.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(String);

impl DeviceId {
    pub fn new(id: impl Into<String>) -> Self {
        Self(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn random_hex<const BYTES: usize>() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; BYTES];
    getrandom::fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_hexadecimal_and_differ() {
        let (one, two) = (SessionId::random().unwrap(), SessionId::random().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 8);
        assert!(one.as_str().bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()));
    }

    #[test]
    fn a_media_token_does_not_show_itself() {
        let token = MediaToken::random().unwrap();
        assert_eq!(token.as_str().len(), 32);
        assert!(!format!("{token:?}").contains(token.as_str()));
    }
}
