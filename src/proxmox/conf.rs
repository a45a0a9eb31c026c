//! A guest's configuration file, in which what is not meant stays as it is to the byte.
//!
//! Lines up to the first `[section]` are what holds. Sections are snapshots, and `[pve:pending]`, what
//! waits for the next start. The grammar is that of `parse_pct_config` in `PVE/LXC/Config.pm`.

use serde::Serialize;

/// A file, line by line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Conf {
    /// With their ends.
    lines: Vec<String>,
    /// How many of them are before the first section.
    main: usize,
    changes: Vec<Change>,
}

/// What is done to one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    Remove(String),
    Add(String),
}

/// A line that sets something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Setting<'a> {
    at: usize,
    pub(super) key: &'a str,
    pub(super) value: &'a str,
}

impl Conf {
    pub(super) fn parse(text: &str) -> Self {
        let lines: Vec<String> = text.split_inclusive('\n').map(ToOwned::to_owned).collect();
        let main = lines.iter().position(|line| section(line).is_some()).unwrap_or(lines.len());
        Self { lines, main, changes: Vec::new() }
    }

    pub(super) fn text(&self) -> String {
        self.lines.concat()
    }

    /// What has been done to it, in order.
    pub(super) fn into_changes(self) -> Vec<Change> {
        self.changes
    }

    /// What holds, without comments.
    pub(super) fn settings(&self) -> impl Iterator<Item = Setting<'_>> {
        let lines = self.lines.iter().take(self.main).enumerate();
        lines.filter_map(|(at, line)| setting(at, line))
    }

    /// What waits for the next start.
    pub(super) fn pending(&self) -> impl Iterator<Item = Setting<'_>> {
        let mut inside = false;
        self.lines.iter().enumerate().filter_map(move |(at, line)| {
            match section(line) {
                Some(name) => inside = name.eq_ignore_ascii_case("pve:pending"),
                None if inside => return setting(at, line),
                None => {}
            }
            None
        })
    }

    /// What holds of a key; of several lines the last one.
    pub(super) fn value(&self, key: &str) -> Option<&str> {
        self.settings().filter(|setting| setting.key == key).map(|setting| setting.value).last()
    }

    /// All values of a key that may be there more than once.
    pub(super) fn values<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        self.settings().filter(move |setting| setting.key == key).map(|setting| setting.value)
    }

    /// Has one line of this key and this value, in place of those that are there.
    pub(super) fn set(&mut self, key: &str, value: &str) {
        if self.value(key) == Some(value) {
            return;
        }
        let last = self.settings().filter(|setting| setting.key == key).last();
        let place = last.map(|setting| setting.at);
        let earlier =
            self.settings().filter(|setting| setting.key == key).count().saturating_sub(1);
        match place {
            Some(at) => {
                self.remove_at(at);
                self.insert(at, key, value);
                let mut left = earlier;
                self.remove(|setting| {
                    let superfluous = setting.key == key && left > 0;
                    left -= usize::from(superfluous);
                    superfluous
                });
            }
            None => self.push(key, value),
        }
    }

    /// Adds a line after all that hold.
    pub(super) fn push(&mut self, key: &str, value: &str) {
        let own = &mut self.lines[..self.main];
        let end = own.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
        if let Some(last) = own.get_mut(end.wrapping_sub(1)).filter(|line| !line.ends_with('\n')) {
            last.push('\n');
        }
        self.insert(end, key, value);
    }

    /// Removes the lines that hold and are meant.
    pub(super) fn remove(&mut self, mut is_meant: impl FnMut(Setting<'_>) -> bool) {
        let meant: Vec<usize> = self
            .settings()
            .filter(|setting| is_meant(*setting))
            .map(|setting| setting.at)
            .collect();
        for at in meant.into_iter().rev() {
            self.remove_at(at);
        }
    }

    fn remove_at(&mut self, at: usize) {
        let line = self.lines.remove(at);
        self.main -= 1;
        self.changes.push(Change::Remove(line.trim_end().to_owned()));
    }

    fn insert(&mut self, at: usize, key: &str, value: &str) {
        let line = format!("{key}: {value}");
        self.lines.insert(at, format!("{line}\n"));
        self.main += 1;
        self.changes.push(Change::Add(line));
    }
}

/// The name of a section that begins with this line.
fn section(line: &str) -> Option<&str> {
    line.trim_end().strip_prefix('[')?.strip_suffix(']')
}

fn setting(at: usize, line: &str) -> Option<Setting<'_>> {
    let end = line.find([':', '='])?;
    let (key, value) = (line[..end].trim_end(), line[end + 1..].trim());
    let is_key = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    // As LXC itself has it, and only of its own keys: `lxc.mount.entry = …`.
    let separated = line[end..].starts_with(':') && key.len() == end || key.starts_with("lxc.");
    let begins = key.starts_with(|letter: char| letter.is_ascii_lowercase());
    let is_one = begins && separated && key.chars().all(is_key) && !value.is_empty();
    is_one.then_some(Setting { at, key, value })
}
