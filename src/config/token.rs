use std::{
    fmt, fs, io,
    io::Read,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use subtle::ConstantTimeEq;
use thiserror::Error;

use super::problem::Warning;

/// The secret that callers from other machines send as `Authorization: Bearer`. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct ControlToken(String);

/// Why a text cannot be the control token. It never holds the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// Short enough to be guessed, or nothing at all.
    #[error("the control token has {0} characters but must have at least {SHORTEST}")]
    Short(usize),
    /// It could not be sent in a header, or not unchanged.
    #[error("the control token may hold visible ASCII characters only, and no space")]
    Character,
}

impl ControlToken {
    /// # Errors
    /// The text is too weak or cannot be sent.
    pub fn new(token: String) -> Result<Self, TokenError> {
        if !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(TokenError::Character);
        }
        if token.len() < SHORTEST {
            return Err(TokenError::Short(token.len()));
        }
        Ok(Self(token))
    }

    /// Takes the same time wherever the first difference is.
    pub fn matches(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

impl fmt::Debug for ControlToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ControlToken(…)")
    }
}

/// Why a file holds no token. No message quotes what it holds instead.
#[derive(Debug, Error)]
pub enum TokenFileError {
    /// The file could not be read.
    #[error("reading the token file {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A pipe, a device or a directory.
    #[error("the token file {} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// Nothing but white space.
    #[error(
        "the token file {} is empty; fill it, for example: openssl rand -hex 16 > {}",
        .0.display(),
        .0.display()
    )]
    Empty(PathBuf),
    /// Few enough characters to be guessed.
    #[error(
        "the token in {} has {length} characters but must have at least {SHORTEST}",
        path.display()
    )]
    Short { path: PathBuf, length: usize },
    /// More than a header line should carry.
    #[error("the token file {} holds more than {LONGEST} bytes", .0.display())]
    Long(PathBuf),
    /// It could not be sent in a header, or not unchanged.
    #[error(
        "the token in {} must be one line of visible ASCII characters without spaces",
        .0.display()
    )]
    Character(PathBuf),
}

const SHORTEST: usize = 16;
const LONGEST: u64 = 4096;

/// Reads the bearer token from its file, white space around it removed. A file that everybody may
/// read is used, with a warning.
///
/// # Errors
/// The file cannot be read or holds nothing that can serve as a token.
pub fn read_token(path: &Path) -> Result<(ControlToken, Option<Warning>), TokenFileError> {
    let failed = |source| TokenFileError::Read { path: path.to_owned(), source };
    // Asked before opening: to open a pipe is to wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(TokenFileError::NotAFile(path.to_owned()));
    }
    let file = fs::File::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.permissions().mode();
    let mut bytes = Vec::new();
    let length = file.take(LONGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(length).is_ok_and(|length| length > LONGEST) {
        return Err(TokenFileError::Long(path.to_owned()));
    }
    let token = bytes.trim_ascii();
    if token.is_empty() {
        return Err(TokenFileError::Empty(path.to_owned()));
    }
    // What is no UTF-8 is no ASCII either, before and after.
    let token = ControlToken::new(String::from_utf8_lossy(token).into_owned());
    let token = token.map_err(|error| match error {
        TokenError::Character => TokenFileError::Character(path.to_owned()),
        TokenError::Short(length) => TokenFileError::Short { path: path.to_owned(), length },
    })?;
    let warning = (mode & 0o004 != 0).then(|| Warning {
        file: path.to_owned(),
        line: None,
        message: format!(
            "every user of this machine can read the token; take that away: chmod o= {}",
            path.display()
        ),
    });
    Ok((token, warning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn read(content: &[u8], mode: u32) -> Result<(ControlToken, Option<Warning>), TokenFileError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        read_token(&path)
    }

    const TOKEN: &str = "0123456789abcdef-token";

    #[test]
    fn a_weak_token_is_none() {
        assert_eq!(ControlToken::new(String::new()).unwrap_err(), TokenError::Short(0));
        assert_eq!(ControlToken::new("x".repeat(15)).unwrap_err(), TokenError::Short(15));
        assert_eq!(ControlToken::new(format!("{TOKEN}\n")).unwrap_err(), TokenError::Character);
    }

    #[test]
    fn white_space_around_the_token_does_not_count() {
        let (token, warning) = read(b"  0123456789abcdef\r\n", 0o640).unwrap();
        assert_eq!(warning, None);
        assert!(!format!("{token:?}").contains("0123"));
        assert_eq!(token.0, "0123456789abcdef");
    }

    #[test]
    fn a_file_that_everybody_reads_is_warned_about() {
        let (_, warning) = read(b"0123456789abcdef", 0o644).unwrap();
        let message = warning.unwrap().to_string();
        assert!(message.contains("chmod o="), "{message}");
    }

    #[test]
    fn what_cannot_serve_as_a_token_is_refused_without_being_shown() {
        assert!(matches!(read(b" \n", 0o600), Err(TokenFileError::Empty(_))));
        assert!(matches!(read(b"two tokens of words", 0o600), Err(TokenFileError::Character(_))));
        assert!(matches!(
            read("sécrètement-long".as_bytes(), 0o600),
            Err(TokenFileError::Character(_))
        ));
        assert!(matches!(read(&[b'a'; 5000], 0o600), Err(TokenFileError::Long(_))));
        let error = read(b"swordfish", 0o600).unwrap_err();
        assert!(matches!(error, TokenFileError::Short { length: 9, .. }));
        assert!(!error.to_string().contains("swordfish"), "{error}");
    }

    #[test]
    fn a_token_file_that_is_not_there_is_named() {
        let error = read_token(Path::new("/nowhere/token")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/token"), "{error}");
    }

    #[test]
    fn a_directory_is_no_token_file() {
        let directory = tempfile::tempdir().unwrap();
        assert!(matches!(read_token(directory.path()), Err(TokenFileError::NotAFile(_))));
    }
}
