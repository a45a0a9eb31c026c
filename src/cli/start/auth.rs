//! Secrets for a page, from a file or stdin: on a command line, everybody on the machine could read
//! them.

use std::{collections::BTreeMap, io, path::Path};

use zbus::Variant;

use crate::session::{Auth, AuthError};

/// Reads the file, or stdin for `-`, as the value of the option `auth`.
pub(super) fn read(file: &Path) -> Result<Variant<'static>, AuthError> {
    let auth = match file.to_str() {
        Some("-") => Auth::read(io::stdin().lock(), "stdin"),
        _ => Auth::read_file(file),
    };
    auth.map(variant)
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
