//! What is started by its name.

use std::collections::BTreeMap;

use tokio::task::spawn_blocking;

use crate::{
    config::Cast,
    error::sentence,
    session::{Auth, StartError, StartErrorKind, StartRequest},
};

/// The request that the cast of this name is.
///
/// # Errors
/// There is no such cast, or its file of secrets cannot be used.
pub(super) async fn request(
    name: String,
    mut casts: BTreeMap<String, Cast>,
) -> Result<StartRequest, StartError> {
    let Some(cast) = casts.remove(&name) else {
        return Err(unknown(&name, casts.keys()));
    };
    let auth = match cast.auth_file.clone() {
        Some(file) => spawn_blocking(move || Auth::read_file(&file))
            .await
            .map_err(|error| broken(StartErrorKind::Internal, error.to_string()))?
            .map_err(|error| broken(StartErrorKind::Invalid, sentence(&error)))?,
        None => Auth::default(),
    };
    Ok(StartRequest::of_cast(name, &cast, auth))
}

fn unknown<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> StartError {
    let known: Vec<_> = known.map(String::as_str).collect();
    let hint = match &*known {
        [] => "It has none; add one, and have it read again: dashboard-cast reload".to_owned(),
        known => format!("It has {}.", known.join(", ")),
    };
    StartError {
        kind: StartErrorKind::NoCast,
        message: format!("the configuration has no [casts.{}]", name.escape_debug()),
        hint: Some(hint),
    }
}

fn broken(kind: StartErrorKind, message: String) -> StartError {
    StartError { kind, message, hint: None }
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        path::{Path, PathBuf},
    };

    use super::*;
    use crate::config::{Config, Fragment};

    const SECRETS: &str = r#"{"headers": {"Authorization": "Bearer hunter2"}}"#;

    fn casts(file: &Path) -> BTreeMap<String, Cast> {
        let text = format!(
            "[casts.hall]\nurl = \"http://dash/\"\nduration = \"10h\"\nauth-file = {file:?}\n\
             [casts.wall]\nurl = \"http://dash/2\"\n"
        );
        Config::load(&[Fragment { path: "test.toml".into(), text }]).unwrap().config.casts
    }

    async fn with_secrets(text: &str) -> (PathBuf, Result<StartRequest, StartError>) {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("hall.json");
        fs::write(&file, text).unwrap();
        let request = request("hall".to_owned(), casts(&file)).await;
        (file, request)
    }

    #[tokio::test]
    async fn a_cast_is_a_request_with_what_is_in_its_file() {
        let (_, request) = with_secrets(SECRETS).await;
        let request = request.unwrap();
        assert_eq!(request.url, "http://dash/");
        assert_eq!(request.target.as_deref(), Some("hall"));
        assert_eq!(request.duration, Some(36_000.0));
        assert_eq!(request.auth.headers["Authorization"], "Bearer hunter2");
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_used_is_named_and_not_quoted() {
        for (text, words) in [
            (SECRETS.replace('}', ""), "are not understood, line 1 column"),
            (SECRETS.replace("headers", "hunter2"), "are not understood, line 1 column"),
            (" ".repeat(65 << 10), "more than 64 KiB"),
        ] {
            let (file, request) = with_secrets(&text).await;
            let error = request.unwrap_err();
            assert_eq!(error.kind, StartErrorKind::Invalid);
            let said = error.to_string();
            assert!(said.contains(file.to_str().unwrap()) && said.contains(words), "{said}");
            assert!(!said.contains("hunter2"), "{said}");
        }
        let nowhere = casts(Path::new("/nowhere/hall.json"));
        let error = request("hall".to_owned(), nowhere).await.unwrap_err().to_string();
        assert!(error.contains("/nowhere/hall.json: No such file"), "{error}");
    }

    #[tokio::test]
    async fn an_unknown_cast_is_told_which_there_are() {
        let known = casts(Path::new("/nowhere/hall.json"));
        let error = request("ha\nll".to_owned(), known).await.unwrap_err();
        assert_eq!(error.kind, StartErrorKind::NoCast);
        assert_eq!(error.message, "the configuration has no [casts.ha\\nll]");
        assert_eq!(error.hint.as_deref(), Some("It has hall, wall."));
        let error = request("hall".to_owned(), BTreeMap::new()).await.unwrap_err();
        assert!(error.hint.unwrap().contains("dashboard-cast reload"));
    }
}
