//! A media playlist as a player reads it.

use jiff::Timestamp;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) sequence: u64,
    pub(crate) seconds: f64,
    pub(crate) wall: Timestamp,
    pub(crate) discontinuity: bool,
    /// The init segment's address.
    pub(crate) init: String,
    pub(crate) uri: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Playlist {
    pub(crate) discontinuity_sequence: u64,
    pub(crate) entries: Vec<Entry>,
}

impl Playlist {
    #[track_caller]
    pub(crate) fn parse(text: &str) -> Self {
        let number = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {text}"))
        };
        assert!(text.starts_with("#EXTM3U\n"), "{text}");
        assert!(!text.contains("ENDLIST"), "a live stream has an end: {text}");
        let mut sequence = number("#EXT-X-MEDIA-SEQUENCE:");
        let mut entries = Vec::new();
        let (mut seconds, mut wall, mut discontinuity, mut init) =
            (None, None, false, String::new());
        for line in text.lines() {
            if let Some(value) = line.strip_prefix("#EXTINF:") {
                seconds = value.trim_end_matches(',').parse().ok();
            } else if let Some(value) = line.strip_prefix("#EXT-X-PROGRAM-DATE-TIME:") {
                wall = value.parse().ok();
            } else if let Some(value) = line.strip_prefix("#EXT-X-MAP:URI=") {
                value.trim_matches('"').clone_into(&mut init);
            } else if line == "#EXT-X-DISCONTINUITY" {
                discontinuity = true;
            } else if !line.starts_with('#') {
                entries.push(Entry {
                    sequence,
                    seconds: seconds.take().unwrap_or_else(|| panic!("no duration: {text}")),
                    wall: wall.take().unwrap_or_else(|| panic!("no date: {text}")),
                    discontinuity: std::mem::take(&mut discontinuity),
                    init: init.clone(),
                    uri: line.to_owned(),
                });
                sequence += 1;
            }
        }
        Self { discontinuity_sequence: number("#EXT-X-DISCONTINUITY-SEQUENCE:"), entries }
    }
}

/// Seconds that are missing between the end of one segment and the start of the next.
pub(crate) fn gap(before: &Entry, after: &Entry) -> f64 {
    after.wall.duration_since(before.wall).as_secs_f64() - before.seconds
}
