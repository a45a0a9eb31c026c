//! What happened to a cast, for people who want to know afterwards.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde::Serialize;

/// Something worth telling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// For machines, in kebab-case; an open set.
    pub event: &'static str,
    /// A sentence for people.
    pub detail: String,
}

/// What the TV says ends up here too: nobody needs more of it.
const LONGEST_DETAIL: usize = 300;

impl Note {
    pub(super) fn new(event: &'static str, detail: impl Into<String>) -> Self {
        let mut detail = detail.into();
        if let Some((cut, _)) = detail.char_indices().nth(LONGEST_DETAIL) {
            detail.truncate(cut);
            detail.push('…');
        }
        Self { event, detail }
    }
}

/// One line of the timeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub at: Timestamp,
    pub event: &'static str,
    pub detail: String,
    /// How often the same came in a row; `at` is the first time.
    pub times: u32,
}

/// The last [`Timeline::MOST`] entries; the oldest ones go.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    entries: VecDeque<Entry>,
}

impl Timeline {
    pub(super) const MOST: usize = 200;

    pub(super) fn push(&mut self, at: Timestamp, note: &Note) {
        if let Some(last) = self.entries.back_mut()
            && last.event == note.event
            && last.detail == note.detail
        {
            last.times = last.times.saturating_add(1);
            return;
        }
        if self.entries.len() == Self::MOST {
            self.entries.pop_front();
        }
        let Note { event, detail } = note.clone();
        self.entries.push_back(Entry { at, event, detail, times: 1 });
    }

    pub(super) fn entries(&self) -> impl ExactSizeIterator<Item = &Entry> {
        self.entries.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn the_oldest_entries_go_and_repetitions_are_counted() {
        let mut timeline = Timeline::default();
        for second in 0..250 {
            timeline.push(at(second), &Note::new("playing", format!("number {second}")));
            timeline.push(at(second), &Note::new("playing", format!("number {second}")));
        }
        let entries: Vec<_> = timeline.entries().collect();
        assert_eq!(entries.len(), Timeline::MOST);
        assert_eq!((entries[0].at, entries[0].times), (at(50), 2));
        let json = serde_json::to_value(entries[0]).unwrap();
        assert_eq!(json["at"], "1970-01-01T00:00:50Z");
        assert_eq!(json["event"], "playing");
    }

    #[test]
    fn a_tv_cannot_fill_it_with_a_long_name() {
        let note = Note::new("taken-over", "ä".repeat(70_000));
        assert_eq!(note.detail.chars().count(), LONGEST_DETAIL + 1);
    }
}
