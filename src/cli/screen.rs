//! What a terminal is like, and what must not reach it.

use std::{
    env,
    io::{IsTerminal, Write},
    os::fd::AsFd,
};

use rustix::termios::tcgetwinsize;
use serde::Serialize;
use serde_json::json;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::exit::Failure;

/// Where a result is written to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Screen {
    /// Columns; `None` when it is no terminal: then nothing is shortened.
    pub(super) width: Option<usize>,
    /// Lines; `None` when it is no terminal.
    pub(super) height: Option<usize>,
    pub(super) colours: bool,
}

impl Screen {
    pub(super) fn of(out: &(impl AsFd + IsTerminal)) -> Self {
        if !out.is_terminal() {
            return Self::default();
        }
        // A terminal that does not know its size is none that lines could be fitted to.
        let size = tcgetwinsize(out).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0);
        // <https://no-color.org>: set, and not to nothing.
        let unwanted = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            width: size.map(|size| usize::from(size.ws_col)),
            height: size.map(|size| usize::from(size.ws_row)),
            colours: !unwanted && is_capable(),
        }
    }
}

/// Whether the terminal can do more than write line after line.
pub(super) fn is_capable() -> bool {
    env::var_os("TERM").is_some_and(|term| !term.is_empty() && term != "dumb")
}

/// How a word looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Style {
    #[default]
    Plain,
    Heading,
    /// All is well.
    Good,
    /// It is not as it should be, and perhaps it has to be so.
    Doubtful,
    Bad,
    /// Beside the matter.
    Faint,
}

impl Style {
    /// The text with what makes it look so.
    pub(super) fn paint(self, text: &str, screen: Screen) -> String {
        let code = match self {
            Self::Plain => return text.to_owned(),
            _ if !screen.colours || text.is_empty() => return text.to_owned(),
            Self::Heading => "1",
            Self::Good => "32",
            Self::Doubtful => "33",
            Self::Bad => "31",
            Self::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

/// Whether a terminal would obey it, or write in another direction from here on.
fn is_obeyed(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The text without what a terminal would obey, and in one line.
///
/// Titles of pages, names of TVs and their errors come from strangers; a line break in one of them
/// could pass for a line of ours.
pub(super) fn plain(text: &str) -> String {
    text.chars()
        .filter_map(|letter| match letter {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            letter => (!is_obeyed(letter)).then_some(letter),
        })
        .collect()
}

/// The text in this many columns: its beginning, and an ellipsis when that is not all.
pub(super) fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if short.width() + letter.width().unwrap_or(0) + 1 > width {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}

/// A line that fits, when there is something that it must fit.
pub(super) fn fitted(line: &str, screen: Screen) -> String {
    match screen.width {
        Some(width) => shortened(line, width),
        None => line.to_owned(),
    }
}

/// The text in lines that fit beside an indent, broken between words. A word that is longer than that,
/// such as an address, stays whole.
pub(super) fn wrapped(text: &str, indent: usize, screen: Screen) -> Vec<String> {
    let width = screen.width.map_or(usize::MAX, |width| width.saturating_sub(indent));
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        if !line.is_empty() {
            if line.width() + 1 + word.width() > width {
                lines.push(std::mem::take(&mut line));
            } else {
                line.push(' ');
            }
        }
        line.push_str(word);
    }
    lines.push(line);
    lines
}

/// Says something that is no result.
#[expect(clippy::print_stderr, reason = "this is where words for the caller are said")]
pub(super) fn say(words: &str) {
    eprintln!("{words}");
}

/// Says that a command was carried out, or prints it as HTTP answers to the same command.
pub(super) fn done(words: &str, json: bool) -> Result<(), Failure> {
    if json {
        return print_json(&json!({"status": "success", "message": words}));
    }
    say(words);
    Ok(())
}

/// Prints a result.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// Prints a result for programs.
pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(std::io::Error::from)?;
    print(&format!("{}\n", escaped(&text)))
}

/// The JSON with everything escaped that a terminal could obey: JSON itself asks for less.
pub(super) fn escaped(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        // Line feeds are between values, and all letters in question have four digits at most.
        if letter == '\n' || !is_obeyed(letter) {
            text.push(letter);
        } else {
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(plain("a\x1b]0;title\x07b\u{9b}31mc\x7f"), "a]0;titleb31mc");
        assert_eq!(plain("two\nlines\tand\r\n"), "two lines and  ");
        assert_eq!(plain("evil\u{202e}gpj.exe\u{2066}"), "evilgpj.exe");
        assert_eq!(plain("Wohnzimmer – 客厅 📺"), "Wohnzimmer – 客厅 📺");
    }

    #[test]
    fn json_stays_what_it_is_and_is_obeyed_by_no_terminal() {
        let value = serde_json::json!({"title": "a\u{9b}2J\x1b\u{202e}\u{7f} 客"});
        let text = escaped(&serde_json::to_string_pretty(&value).unwrap());
        assert!(text.lines().all(|line| !line.contains(is_obeyed)), "{text}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }

    #[test]
    fn wide_letters_count_as_two() {
        assert_eq!(shortened("客厅里的大电视", 7), "客厅里…");
        assert_eq!(shortened("kitchen", 7), "kitchen");
        assert_eq!(shortened("kitchens", 7), "kitche…");
    }

    #[test]
    fn sentences_are_broken_between_words_and_addresses_are_not() {
        let screen = Screen { width: Some(12), ..Screen::default() };
        let text = "open http://host/page 客厅 now";
        assert_eq!(wrapped(text, 2, screen), ["open", "http://host/page", "客厅 now"]);
        assert_eq!(wrapped(text, 2, Screen::default()), [text]);
        assert_eq!(wrapped("", 20, screen), [""]);
    }

    #[test]
    fn without_colours_words_stay_as_they_are() {
        let colours = Screen { colours: true, ..Screen::default() };
        assert_eq!(Style::Good.paint("live", colours), "\x1b[32mlive\x1b[0m");
        assert_eq!(Style::Good.paint("live", Screen::default()), "live");
    }
}
