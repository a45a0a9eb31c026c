//! A page's credentials.

use std::{
    collections::BTreeMap,
    fmt,
    fs::File,
    io::{self, Read},
    path::Path,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::RequestError;

/// The page's credentials. Secrets: `Debug` shows names only, and nothing here is ever put in a
/// snapshot.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Auth {
    /// Set for the page's host before the first request.
    pub cookies: BTreeMap<String, String>,
    /// Set in the page's origin before any of its scripts run.
    pub local_storage: BTreeMap<String, String>,
    /// Sent with each request to the page's origin, and to no other.
    pub headers: BTreeMap<String, String>,
    /// Answers the origin's HTTP authentication.
    pub basic: Option<Basic>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Basic {
    pub username: String,
    pub password: String,
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("cookies", &self.cookies.keys())
            .field("local_storage", &self.local_storage.keys())
            .field("headers", &self.headers.keys())
            .field("basic", &self.basic)
            .finish()
    }
}

impl fmt::Debug for Basic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Basic").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Why a file's secrets cannot be used. No message has a value of them.
#[derive(Debug, Error)]
pub enum AuthError {
    #[error("reading the secrets from {name}")]
    Read {
        name: String,
        #[source]
        cause: io::Error,
    },
    #[error("the secrets in {0} are more than 64 KiB")]
    TooLarge(String),
    /// The cause says where it is wrong, and is left out: it would quote what is there.
    #[error("the secrets in {name} are not understood, line {line} column {column}")]
    Json { name: String, line: usize, column: usize },
}

impl Auth {
    /// More than any page needs; a file that has no end is not one that was meant.
    const LARGEST: u64 = 64 << 10;

    /// Reads the file, as [`Auth::read`] does.
    ///
    /// # Errors
    /// As there.
    pub fn read_file(file: &Path) -> Result<Self, AuthError> {
        let name = file.display().to_string();
        match File::open(file) {
            Ok(open) => Self::read(open, &name),
            Err(cause) => Err(AuthError::Read { name, cause }),
        }
    }

    /// Reads them as JSON of `POST /start`. `name` is what errors call the source.
    ///
    /// # Errors
    /// It cannot be read, or is something else.
    pub fn read(source: impl Read, name: &str) -> Result<Self, AuthError> {
        let name = name.to_owned();
        let mut text = Vec::new();
        if let Err(cause) = source.take(Self::LARGEST + 1).read_to_end(&mut text) {
            return Err(AuthError::Read { name, cause });
        }
        if text.len() as u64 > Self::LARGEST {
            return Err(AuthError::TooLarge(name));
        }
        serde_json::from_slice(&text).map_err(|error| AuthError::Json {
            name,
            line: error.line(),
            column: error.column(),
        })
    }

    /// Names and values go into protocol lines: what cannot stand there is refused here, by name, never
    /// by value.
    pub(super) fn check(&self) -> Result<(), RequestError> {
        let token = |name: &str| {
            !name.is_empty()
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
        };
        for (kind, names) in [("cookie", &self.cookies), ("header", &self.headers)] {
            for (name, value) in names {
                if !token(name) {
                    return Err(RequestError::Auth(format!("{name:?} cannot be a {kind}'s name")));
                }
                if value.chars().any(char::is_control) || (kind == "cookie" && value.contains(';'))
                {
                    return Err(RequestError::Auth(format!(
                        "the value of the {kind} {name:?} has a character that no {kind} can have"
                    )));
                }
            }
        }
        Ok(())
    }
}
