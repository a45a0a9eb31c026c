//! The files as TOML, laid over each other.

use std::{borrow::Cow, collections::BTreeMap, ops::Range};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    fragments::Fragment,
    problem::{Lines, Place, Problem, Warning},
};

/// The section that has a section for each of its names.
const CASTS: &str = "casts";

/// A fragment and the sections in it.
struct Document<'a> {
    lines: Lines<'a>,
    table: DeTable<'a>,
}

/// A section as it stands in a file; its content may turn out to be no table.
struct Section<'a> {
    name: Cow<'a, str>,
    span: Range<usize>,
    content: &'a Spanned<DeValue<'a>>,
}

impl<'a> Document<'a> {
    /// Those of `casts` are sections of their own.
    fn sections(&'a self) -> impl Iterator<Item = Section<'a>> {
        self.table.iter().flat_map(|(key, content)| {
            let name = key.get_ref().as_ref();
            let casts = content.get_ref().as_table().filter(|_| name == CASTS);
            let itself = casts.is_none().then(|| Section {
                name: Cow::Borrowed(name),
                span: key.span(),
                content,
            });
            let within = casts.into_iter().flatten().map(|(key, content)| Section {
                name: Cow::Owned(format!("{CASTS}.{}", key.get_ref())),
                span: key.span(),
                content,
            });
            itself.into_iter().chain(within)
        })
    }
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
pub(super) type Entries<'a> = BTreeMap<(Cow<'a, str>, &'a str), Entry<'a>>;

/// A key that the program has: section and name.
pub(super) type Key = (Cow<'static, str>, &'static str);

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
            for section in document.sections() {
                for (name, value) in section.content.get_ref().as_table().into_iter().flatten() {
                    let key = (section.name.clone(), name.get_ref().as_ref());
                    entries.insert(key, Entry { document, value });
                }
            }
        }
        entries
    }

    /// The names of the casts, and where each is first spoken of.
    pub(super) fn casts(&self) -> BTreeMap<String, Place> {
        let mut casts = BTreeMap::new();
        for document in &self.0 {
            for Section { name, span, content } in document.sections() {
                let name = name.strip_prefix(CASTS).and_then(|name| name.strip_prefix('.'));
                if let Some(name) = name.filter(|_| content.get_ref().is_table()) {
                    casts.entry(name.to_owned()).or_insert_with(|| document.place(span));
                }
            }
        }
        casts
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
            for Section { name, span, content } in document.sections() {
                let mut warn = |span, message| {
                    let Place { file, line, .. } = document.place(span);
                    warnings.push(Warning { file, line: Some(line), message });
                };
                let is_cast = name.split('.').next() == Some(CASTS);
                let is_known = known.iter().any(|(known, _)| *known == name);
                match content.get_ref() {
                    // It has a name that none can have, which is a problem already.
                    DeValue::Table(_) if is_cast && !is_known => {}
                    DeValue::Table(_) if !is_known => {
                        warn(span, unknown_section(&name, known));
                    }
                    DeValue::Table(keys) => {
                        for key in keys.keys() {
                            let key_name = key.get_ref().as_ref();
                            let is_same = |known: &Key| known.0 == name && known.1 == key_name;
                            if !known.iter().any(is_same) {
                                warn(key.span(), unknown_key(&name, key_name, known));
                            }
                        }
                    }
                    _ if is_known || is_cast => problems.push(Problem::Value {
                        place: document.place(span),
                        expected: format!("a section, [{}]", name.escape_debug()),
                        what: name.escape_debug().to_string(),
                        found: document.excerpt(content),
                    }),
                    _ => warn(span, key_without_section(&name, known)),
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
    let sections = known.iter().map(|(section, _)| (&**section, &**section));
    let hint = nearest(name, sections.chain([(CASTS, "casts.NAME")]))
        .map(|section| format!("; did you mean [{section}]?"));
    format!("unknown section [{}], ignored{}", shown(name), hint.unwrap_or_default())
}

fn unknown_key(section: &str, name: &str, known: &[Key]) -> String {
    let beside = known.iter().filter(|(known, _)| known == section);
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
    nearest(name, known.iter().map(|(section, key)| (*key, (section, key))))
        .map(|(section, key)| format!("; did you mean {key} under [{section}]?"))
}

/// The candidate whose name is most like `name`, if one is like enough to be meant.
fn nearest<'k, T>(name: &str, candidates: impl Iterator<Item = (&'k str, T)>) -> Option<T> {
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
