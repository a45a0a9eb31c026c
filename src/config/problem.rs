use std::{
    error, fmt, io,
    path::{Path, PathBuf},
};

use thiserror::Error;

/// Where something stands, counted from 1; columns are characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub file: PathBuf,
    pub line: usize,
    pub column: usize,
}

/// A file's text with its lines numbered once, so that many places in it are found quickly.
pub(super) struct Lines<'a> {
    file: &'a Path,
    text: &'a str,
    /// Where each line but the first begins.
    starts: Vec<usize>,
}

impl<'a> Lines<'a> {
    pub(super) fn new(file: &'a Path, text: &'a str) -> Self {
        Self { file, text, starts: text.match_indices('\n').map(|(at, _)| at + 1).collect() }
    }

    pub(super) fn text(&self) -> &'a str {
        self.text
    }

    /// The place of a byte; beyond the text it is the text's end.
    pub(super) fn place(&self, offset: usize) -> Place {
        let offset = if self.text.is_char_boundary(offset) { offset } else { self.text.len() };
        let lines_before = self.starts.partition_point(|start| *start <= offset);
        let start = lines_before.checked_sub(1).and_then(|line| self.starts.get(line));
        let before = self.text.get(start.copied().unwrap_or_default()..offset);
        Place {
            file: self.file.to_owned(),
            line: lines_before + 1,
            column: before.unwrap_or_default().chars().count() + 1,
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

/// One reason why a configuration cannot be used. Its message is a whole line, so a cause is part of it
/// and not a source of its own.
#[derive(Debug, Error)]
pub enum Problem {
    /// The system did not let us read a file or list a directory.
    #[error("reading {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
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
        let lines = Lines::new(Path::new("f"), "é = 1\nab = 2\n");
        let place = |offset| {
            let place = lines.place(offset);
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
        let place = Lines::new(Path::new("f"), "a\nbc").place(99);
        assert_eq!(place.to_string(), "f:2:3");
    }
}
