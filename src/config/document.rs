//! The files as TOML, laid over each other.

use std::{collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    fragments::Fragment,
    problem::{Lines, Place, Problem, Warning},
};

/// A fragment and the sections in it.
struct Document<'a> {
    lines: Lines<'a>,
    table: DeTable<'a>,
}

impl Document<'_> {
    fn place(&self, span: Range<usize>) -> Place {
        self.lines.place(span.start)
    }

    /// What stands there, for an error message: one line, not too long. Before an `@` may stand a
    /// password, so such a text is not shown.
    fn excerpt(&self, value: &Spanned<DeValue<'_>>) -> String {
        const LONGEST: usize = 60;
        let source = match value.get_ref() {
            DeValue::Array(_) => return "an array".to_owned(),
            DeValue::Table(_) => return "a table".to_owned(),
            _ => self.lines.text().get(value.span()).unwrap_or_default(),
        };
        if source.contains('@') {
            return "what is there".to_owned();
        }
        let line = source.lines().next().unwrap_or_default();
        let mut shown: String = line.chars().take(LONGEST).collect();
        if shown.len() < source.len() {
            shown.push('…');
        }
        shown
    }
}

/// All files of a configuration.
pub(super) struct Documents<'a>(Vec<Document<'a>>);

/// The value of a key, from the last file that has it.
#[derive(Clone, Copy)]
pub(super) struct Entry<'a> {
    document: &'a Document<'a>,
    pub(super) value: &'a Spanned<DeValue<'a>>,
}

impl Entry<'_> {
    pub(super) fn place(&self, span: Range<usize>) -> Place {
        self.document.place(span)
    }

    pub(super) fn excerpt(&self, value: &Spanned<DeValue<'_>>) -> String {
        self.document.excerpt(value)
    }
}

/// The keys of all files, by section and name.
pub(super) type Entries<'a> = BTreeMap<(&'a str, &'a str), Entry<'a>>;

/// A key that the program has: section and name.
pub(super) type Key = (&'static str, &'static str);

impl<'a> Documents<'a> {
    /// Files that are no TOML are left out; what is wrong in them is added to `problems`.
    pub(super) fn parse(fragments: &'a [Fragment], problems: &mut Vec<Problem>) -> Self {
        let mut documents = Vec::new();
        for fragment in fragments {
            let lines = Lines::new(&fragment.path, &fragment.text);
            let (table, errors) = DeTable::parse_recoverable(&fragment.text);
            problems.extend(errors.iter().map(|error| {
                let offset = error.span().map_or(0, |span| span.start);
                Problem::Syntax {
                    place: lines.place(offset),
                    message: error.message().replace('\n', ", "),
                }
            }));
            if errors.is_empty() {
                documents.push(Document { lines, table: table.into_inner() });
            }
        }
        Self(documents)
    }

    /// What counts of all files: for each key the value of the last file that has it.
    pub(super) fn merge(&'a self) -> Entries<'a> {
        let mut entries = Entries::new();
        for document in &self.0 {
            for (section, content) in &document.table {
                for (name, value) in content.get_ref().as_table().into_iter().flatten() {
                    let key = (section.get_ref().as_ref(), name.get_ref().as_ref());
                    entries.insert(key, Entry { document, value });
                }
            }
        }
        entries
    }

    /// Looks for sections and keys that the program does not have: warnings; and for values where
    /// sections should be: problems.
    pub(super) fn compare(
        &self,
        known: &[Key],
        warnings: &mut Vec<Warning>,
        problems: &mut Vec<Problem>,
    ) {
        for document in &self.0 {
            let first = warnings.len();
            for (section, content) in &document.table {
                let name = section.get_ref().as_ref();
                let mut warn = |span, message| {
                    let Place { file, line, .. } = document.place(span);
                    warnings.push(Warning { file, line: Some(line), message });
                };
                let is_known = known.iter().any(|(known, _)| *known == name);
                match content.get_ref() {
                    DeValue::Table(_) if !is_known => {
                        warn(section.span(), unknown_section(name, known));
                    }
                    DeValue::Table(keys) => {
                        for key in keys.keys() {
                            let key_name = key.get_ref().as_ref();
                            if !known.contains(&(name, key_name)) {
                                warn(key.span(), unknown_key(name, key_name, known));
                            }
                        }
                    }
                    _ if is_known => problems.push(Problem::Value {
                        place: document.place(section.span()),
                        what: name.to_owned(),
                        expected: format!("a section, [{name}]"),
                        found: document.excerpt(content),
                    }),
                    _ => warn(section.span(), key_without_section(name, known)),
                }
            }
            // The table is in the order of names.
            if let Some(of_this_file) = warnings.get_mut(first..) {
                of_this_file.sort_by_key(|warning| warning.line);
            }
        }
    }
}

fn unknown_section(name: &str, known: &[Key]) -> String {
    let sections = known.iter().map(|(section, _)| *section);
    let hint = nearest(name, sections.map(|section| (section, section)))
        .map(|section| format!("; did you mean [{section}]?"));
    format!("unknown section [{}], ignored{}", shown(name), hint.unwrap_or_default())
}

fn unknown_key(section: &str, name: &str, known: &[Key]) -> String {
    let beside = known.iter().filter(|(known, _)| *known == section);
    let hint = nearest(name, beside.map(|(_, key)| (*key, *key)))
        .map(|key| format!("; did you mean {key}?"))
        .or_else(|| elsewhere(name, known));
    format!("unknown key {section}.{}, ignored{}", shown(name), hint.unwrap_or_default())
}

fn key_without_section(name: &str, known: &[Key]) -> String {
    let hint = elsewhere(name, known);
    format!("unknown key {}, ignored{}", shown(name), hint.unwrap_or_default())
}

/// A key that would be right under another section.
fn elsewhere(name: &str, known: &[Key]) -> Option<String> {
    nearest(name, known.iter().map(|key| (key.1, *key)))
        .map(|(section, key)| format!("; did you mean {key} under [{section}]?"))
}

/// The candidate whose name is most like `name`, if one is like enough to be meant.
fn nearest<T>(name: &str, candidates: impl Iterator<Item = (&'static str, T)>) -> Option<T> {
    // Comparing takes the product of both lengths; no name is that long.
    if name.len() > 64 {
        return None;
    }
    candidates
        .map(|(candidate, value)| (strsim::damerau_levenshtein(name, candidate), candidate, value))
        .filter(|(distance, candidate, _)| distance * 3 <= candidate.len())
        .min_by_key(|(distance, ..)| *distance)
        .map(|(.., value)| value)
}

/// A key as it can be shown on one line: TOML allows any character in quoted ones.
fn shown(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if !name.is_empty() && name.chars().all(bare) { name.to_owned() } else { format!("{name:?}") }
}
