use std::{error, fmt, io, path::PathBuf};

use thiserror::Error;

/// Where something stands, counted from 1; columns are characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
}

impl Place {
    /// The place of the byte `offset` in the file's `text`.
    pub(super) fn find(file: PathBuf, text: &str, offset: usize) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            file,
            line: before.matches('\n').count() + 1,
            column: before.get(line_start..).unwrap_or_default().chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

/// Something that is probably not what was meant, and that nothing was done about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    pub file: PathBuf,
    /// `None` when it is about the file as a whole.
    pub line: Option<usize>,
    pub message: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match self.line {
            Some(line) => write!(f, "{file}:{line}: {}", self.message),
            None => write!(f, "{file}: {}", self.message),
        }
    }
}

/// One reason why a configuration cannot be used.
#[derive(Debug, Error)]
pub enum Problem {
    /// The system did not let us read a file or list a directory.
    #[error("reading {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    /// A directory, a pipe or the like stands where a file should.
    #[error("{} is not a regular file", .0.display())]
    NotAFile(PathBuf),
    /// No configuration is that long.
    #[error("{} is larger than {limit} bytes", path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    /// TOML is UTF-8.
    #[error("{place}: this is not UTF-8 text")]
    NotText { place: Place },
    /// The file is no TOML. Nothing of it is used.
    #[error("{place}: {message}")]
    Syntax { place: Place, message: String },
    /// A value is of the wrong type or out of range.
    #[error("{place}: {what} must be {expected}, not {found}")]
    Value {
        place: Place,
        /// The key, `section.key`, or what of it.
        what: String,
        expected: String,
        /// What stands there, and in brackets what is wrong with it if that is not plain.
        found: String,
    },
    /// The value is well in itself, but not beside that of another key.
    #[error("{place}: {message}")]
    Conflict { place: Place, message: String },
}

/// Everything that keeps a configuration from being used, one problem a line.
#[derive(Debug, Default)]
pub struct ConfigError {
    /// Never empty, in the order in which they were met.
    pub problems: Vec<Problem>,
    pub warnings: Vec<Warning>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut end = "";
        for problem in &self.problems {
            write!(f, "{end}{problem}")?;
            end = "\n";
        }
        Ok(())
    }
}

impl error::Error for ConfigError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters_from_one() {
        let place = |offset| {
            let place = Place::find("f".into(), "é = 1\nab = 2\n", offset);
            (place.line, place.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(5), (1, 5));
        assert_eq!(place(7), (2, 1));
        assert_eq!(place(12), (2, 6));
        assert_eq!(place(14), (3, 1));
    }

    #[test]
    fn a_place_beyond_the_text_is_its_end() {
        let place = Place::find("f".into(), "a\nbc", 99);
        assert_eq!(place.to_string(), "f:2:3");
    }
}
