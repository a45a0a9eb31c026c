//! Secrets for a page, from a file or stdin: on a command line, everybody on the machine could read
//! them.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Read},
    path::Path,
};

use thiserror::Error;
use zbus::Variant;

use crate::session::Auth;

/// More than any page needs; a file that has no end is not one that was meant.
const LARGEST: u64 = 64 << 10;

#[derive(Debug, Error)]
pub(in crate::cli) enum AuthError {
    #[error("reading the secrets from {name}")]
    Read {
        name: String,
        #[source]
        cause: io::Error,
    },
    #[error("the secrets in {0} are more than 64 KiB")]
    TooLarge(String),
    /// The cause says where it is wrong, and names no value.
    #[error("the secrets in {name} are not understood, line {line} column {column}")]
    Json { name: String, line: usize, column: usize },
}

/// Reads the file, or stdin for `-`, as the value of the option `auth`.
pub(super) fn read(file: &Path) -> Result<Variant<'static>, AuthError> {
    let (name, text) = match file.to_str() {
        Some("-") => ("stdin".to_owned(), read_all(io::stdin().lock())),
        _ => (file.display().to_string(), File::open(file).and_then(read_all)),
    };
    let text = text.map_err(|cause| AuthError::Read { name: name.clone(), cause })?;
    if text.len() as u64 > LARGEST {
        return Err(AuthError::TooLarge(name));
    }
    let auth: Auth = serde_json::from_slice(&text).map_err(|error| AuthError::Json {
        name,
        line: error.line(),
        column: error.column(),
    })?;
    Ok(variant(auth))
}

fn read_all(source: impl Read) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    source.take(LARGEST + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn variant(auth: Auth) -> Variant<'static> {
    let Auth { cookies, local_storage, headers, basic } = auth;
    let mut parts: BTreeMap<&'static str, Variant<'static>> = BTreeMap::new();
    for (name, values) in
        [("cookies", cookies), ("local-storage", local_storage), ("headers", headers)]
    {
        if !values.is_empty() {
            parts.insert(name, values_of(values).into());
        }
    }
    if let Some(basic) = basic {
        let basic = [("username", basic.username), ("password", basic.password)];
        let basic = basic.map(|(name, value)| (name.to_owned(), value));
        parts.insert("basic", values_of(BTreeMap::from(basic)).into());
    }
    parts.into()
}

/// All dictionaries of this interface are `a{sv}`.
fn values_of(texts: BTreeMap<String, String>) -> BTreeMap<String, Variant<'static>> {
    texts.into_iter().map(|(name, text)| (name, Variant::from(text))).collect()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn written(text: &str) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        file
    }

    #[test]
    fn all_parts_become_dictionaries() {
        let file = written(
            r#"{"cookies": {"sid": "c"}, "localStorage": {"hassTokens": "{}"},
                "headers": {"X-Key": "h"}, "basic": {"username": "me", "password": "p"}}"#,
        );
        let value = read(file.path()).unwrap();
        assert_eq!(value.value_signature().to_string(), "a{sv}");
        let Variant::Dict(parts) = value else { panic!("{value:?}") };
        assert_eq!(parts.iter().count(), 4);
    }

    #[test]
    fn errors_say_where_and_never_what() {
        for text in ["{\"cookies\":\n {\"sid\": 5}}", "\"hunter2\"", "{\"hunter2\": 1}", ""] {
            let error = read(written(text).path()).unwrap_err();
            let said = format!("{error} {error:?}");
            assert!(matches!(error, AuthError::Json { .. }) && !said.contains("hunter2"), "{said}");
        }
        let endless = read(Path::new("/dev/zero")).unwrap_err();
        assert!(matches!(endless, AuthError::TooLarge(_)), "{endless}");
        assert!(matches!(read(Path::new("/nowhere")), Err(AuthError::Read { .. })));
    }
}
