//! What a stream leaves for the daemon that goes on with it: its newest segments, as files. One that was
//! announced and is then refused is an error on a TV, and a TV that hears nothing for a while stalls.

use std::{
    collections::BTreeSet,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::playlist::Entry;
use crate::media::{MediaTime, StreamInfo};

/// All that is known of the newest segments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) entries: Vec<Entry>,
    /// When the newest segment begins, in the stream's time.
    pub(super) time: MediaTime,
    pub(super) bandwidth: u64,
    /// The init segments that they need, by their numbers.
    pub(super) inits: Vec<(u32, StreamInfo)>,
}

/// What was found of the daemon before.
#[derive(Debug)]
pub(super) struct Left {
    pub(super) record: Record,
    /// One for each entry of the record.
    pub(super) segments: Vec<Bytes>,
    /// One for each init segment of the record.
    pub(super) inits: Vec<Bytes>,
}

/// Bounded by what a record names.
#[derive(Debug)]
pub(super) struct Trail {
    directory: PathBuf,
    /// Names of the files that the record needs.
    needed: BTreeSet<String>,
}

const RECORD: &str = "stream.json";
/// More of them there are not: one a second, for a lifetime.
const MOST: u32 = u32::MAX / 2;
/// No player waits for longer.
const STALE: MediaTime = MediaTime::from_ticks(30 * MediaTime::TICKS_PER_SECOND);

impl Trail {
    /// With what a daemon before this one left there, if all of it is there, and no older than what a
    /// player may still be waiting for; else it begins empty.
    pub(super) fn open(directory: PathBuf, now: MediaTime) -> io::Result<(Self, Option<Left>)> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let left = Left::read(&directory, now);
        let needed = left.as_ref().map(|left| left.record.files().collect()).unwrap_or_default();
        let this = Self { directory, needed };
        match this.remove_unneeded(left.is_some()) {
            Ok(()) => Ok((this, left)),
            // What cannot be kept up to date is not to be found later.
            Err(error) => this.remove().and(Err(error)),
        }
    }

    pub(super) fn keep_init(&mut self, number: u32, bytes: &[u8]) -> io::Result<()> {
        self.write(&init_name(number), bytes)
    }

    /// Takes in the newest segment, and removes what the record does not need any more. Whenever that
    /// is interrupted, there is a record and what it needs.
    pub(super) fn keep(&mut self, record: &Record, newest: &[u8]) -> io::Result<()> {
        if let Some(entry) = record.entries.last() {
            self.write(&segment_name(entry.sequence), newest)?;
        }
        self.write(RECORD, &serde_json::to_vec(record)?)?;
        let needed: BTreeSet<_> = record.files().collect();
        for name in self.needed.difference(&needed) {
            fs::remove_file(self.directory.join(name))?;
        }
        self.needed = needed;
        Ok(())
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Leaves nothing.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(self.directory)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Half a file is not to be found under its name.
        let new = self.directory.join("new");
        fs::write(&new, bytes)?;
        fs::rename(new, self.directory.join(name))
    }

    fn remove_unneeded(&self, with_record: bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let is_needed = entry
                .file_name()
                .to_str()
                .is_some_and(|name| self.needed.contains(name) || (with_record && name == RECORD));
            if !is_needed {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

impl Record {
    fn files(&self) -> impl Iterator<Item = String> {
        let segments = self.entries.iter().map(|entry| segment_name(entry.sequence));
        segments.chain(self.inits.iter().map(|(number, _)| init_name(*number)))
    }

    fn is_of_use(&self, now: MediaTime) -> bool {
        let Some(newest) = self.entries.last() else { return false };
        let follows = |pair: &[Entry]| pair[0].sequence.checked_add(1) == Some(pair[1].sequence);
        let is_complete = |entry: &Entry| {
            let known = self.inits.iter().any(|(number, _)| *number == entry.init);
            known && entry.init <= MOST && entry.discontinuities <= MOST.into()
        };
        newest.sequence <= MOST.into()
            && self.time.ticks() / MediaTime::TICKS_PER_SECOND <= MOST.into()
            && self.entries.windows(2).all(follows)
            && self.entries.iter().all(is_complete)
            // After a reboot the clock begins anew.
            && newest.place.taken <= now
            && now.since(newest.end().taken) <= STALE
    }
}

impl Left {
    /// `None` as well for what another version of the program left, if that wrote it in another way.
    fn read(directory: &Path, now: MediaTime) -> Option<Self> {
        let record = fs::read(directory.join(RECORD)).ok()?;
        let record: Record = serde_json::from_slice(&record).ok()?;
        if !record.is_of_use(now) {
            return None;
        }
        let read = |name: String| fs::read(directory.join(name)).ok().map(Bytes::from);
        let segments = record.entries.iter().map(|entry| read(segment_name(entry.sequence)));
        let inits = record.inits.iter().map(|(number, _)| read(init_name(*number)));
        let (segments, inits) = (segments.collect::<Option<_>>()?, inits.collect::<Option<_>>()?);
        Some(Self { record, segments, inits })
    }
}

fn segment_name(sequence: u64) -> String {
    format!("{sequence}.m4s")
}

fn init_name(number: u32) -> String {
    format!("init-{number}.mp4")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        session::cast::Place,
        units::{BitRate, FrameRate, Size},
    };

    const fn at(second: u64) -> MediaTime {
        MediaTime::from_ticks((1_000 + second) * MediaTime::TICKS_PER_SECOND)
    }

    /// Of the segments from `first` to `last`, of a second each; `n` was taken in second `n`.
    fn record(first: u64, last: u64, init: u32) -> Record {
        let entry = |sequence| Entry {
            sequence,
            place: Place { taken: at(sequence), holes: MediaTime::ZERO },
            duration: MediaTime::SECOND,
            wall: jiff::Timestamp::UNIX_EPOCH,
            discontinuities: 3,
            init,
        };
        let info = StreamInfo {
            encoder: "libx264".to_owned(),
            size: Size::new(1280, 720),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(2500),
            sps: vec![0x67, 0x64, 0, 41].into(),
            pps: vec![0x68].into(),
        };
        Record {
            entries: (first..=last).map(entry).collect(),
            time: at(last),
            bandwidth: 1_000_000,
            inits: vec![(init, info)],
        }
    }

    fn names(path: &Path) -> Vec<String> {
        let entries = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
        names.sort_by_key(|name| (name.len(), name.clone()));
        names
    }

    /// A trail of the segments 0, 1 and 2.
    fn trail(path: &Path) -> Trail {
        let (mut trail, left) = Trail::open(path.to_owned(), at(0)).unwrap();
        assert!(left.is_none());
        trail.keep_init(0, b"init").unwrap();
        for sequence in 0..3_u64 {
            trail.keep(&record(0, sequence, 0), sequence.to_string().as_bytes()).unwrap();
        }
        trail
    }

    #[test]
    fn what_a_playlist_lists_outlives_its_stream_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("streams/one");
        drop(trail(&path));
        // Left by an interruption.
        fs::write(path.join("new"), b"ha").unwrap();
        fs::write(path.join("3.m4s"), b"not in the record").unwrap();
        let (mut next, left) = Trail::open(path.clone(), at(20)).unwrap();
        let left = left.unwrap();
        assert_eq!(left.record, record(0, 2, 0));
        assert_eq!(left.segments, ["0", "1", "2"]);
        assert_eq!(left.inits, ["init"]);
        assert_eq!(names(&path), ["0.m4s", "1.m4s", "2.m4s", "init-0.mp4", "stream.json"]);

        next.keep_init(1, b"other").unwrap();
        next.keep(&record(2, 3, 1), b"3").unwrap();
        assert_eq!(names(&path), ["2.m4s", "3.m4s", "init-1.mp4", "stream.json"]);
        next.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn what_is_of_no_use_is_removed() {
        let none = |_: &Path| {};
        type Mishap = Box<dyn Fn(&Path)>;
        let put = |record: Record| -> Mishap {
            let json = serde_json::to_vec(&record).unwrap();
            Box::new(move |path| fs::write(path.join(RECORD), &json).unwrap())
        };
        let remove = |name: &'static str| -> Mishap {
            Box::new(move |path| fs::remove_file(path.join(name)).unwrap())
        };
        let gap = {
            let mut record = record(0, 2, 0);
            record.entries.remove(1);
            record
        };
        let high = {
            let mut record = record(0, 2, 0);
            for entry in &mut record.entries {
                entry.sequence += u64::MAX - 2;
            }
            record
        };
        let late = Record { time: MediaTime::from_ticks(u64::MAX), ..record(0, 2, 0) };
        let cases: [(&str, MediaTime, Mishap); 10] = [
            ("too old", at(34), Box::new(none)),
            ("of before a reboot", at(1), Box::new(none)),
            ("no record", at(4), remove(RECORD)),
            ("no segment", at(4), remove("1.m4s")),
            ("no init segment", at(4), remove("init-0.mp4")),
            ("nothing listed", at(4), put(Record { inits: Vec::new(), ..record(1, 0, 0) })),
            ("another init segment", at(4), put(Record { inits: Vec::new(), ..record(0, 2, 0) })),
            ("a gap", at(4), put(gap)),
            ("no number to go on with", at(4), put(high)),
            ("no time to go on with", at(4), put(late)),
        ];
        for (case, now, mishap) in cases {
            let directory = tempfile::tempdir().unwrap();
            drop(trail(directory.path()));
            mishap(directory.path());
            let (trail, left) = Trail::open(directory.path().to_owned(), now).unwrap();
            assert!(left.is_none(), "{case}: {left:?}");
            assert_eq!(names(trail.directory()), [""; 0], "{case}");
        }
    }

    #[test]
    fn half_a_record_is_none() {
        let directory = tempfile::tempdir().unwrap();
        drop(trail(directory.path()));
        let path = directory.path().join(RECORD);
        let whole = fs::read(&path).unwrap();
        for part in [&whole[..whole.len() / 2], b"", b"{}", b"[1]", b"\xff"] {
            fs::write(&path, part).unwrap();
            assert!(Left::read(directory.path(), at(4)).is_none());
        }
        fs::write(&path, whole).unwrap();
        assert!(Left::read(directory.path(), at(4)).is_some());
    }
}
