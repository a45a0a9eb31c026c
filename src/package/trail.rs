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

/// What one daemon leaves to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
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
    /// Names of the files that are there and that the record needs.
    needed: BTreeSet<String>,
    /// It failed: until then nothing is kept.
    rests_until: Option<MediaTime>,
}

const RECORD: &str = "stream.json";
/// More of them there are not: one a second, for a lifetime.
const MOST: u32 = u32::MAX / 2;
/// No player waits for longer.
const STALE: MediaTime = MediaTime::from_ticks(30 * MediaTime::TICKS_PER_SECOND);
/// Until a disk that refused is asked again.
const REST: MediaTime = MediaTime::from_ticks(300 * MediaTime::TICKS_PER_SECOND);

impl Trail {
    /// It begins with what is kept first.
    pub(super) const fn new(directory: PathBuf) -> Self {
        Self { directory, needed: BTreeSet::new(), rests_until: None }
    }

    /// What a daemon before this one left there, if all of it is there, and no older than what a player may
    /// still be waiting for.
    pub(super) fn find(&mut self, now: MediaTime) -> Option<Left> {
        let left = Left::read(&self.directory, now)?;
        self.needed = left.record.files().collect();
        Some(left)
    }

    /// Takes in what is new, and removes what the record does not need any more. Whenever that is interrupted,
    /// there is a record and what it needs. After an error there is nothing, for a while: whoever found what
    /// is not kept up to date would count segments again that have been seen.
    pub(super) fn keep(&mut self, left: &Left, now: MediaTime) -> io::Result<()> {
        if self.rests_until.is_some_and(|until| now < until) {
            return Ok(());
        }
        let outcome = self.replace(left);
        self.rests_until = outcome.is_err().then_some(now + REST);
        if outcome.is_err() {
            self.remove()?;
        }
        outcome
    }

    fn replace(&mut self, left: &Left) -> io::Result<()> {
        if self.needed.is_empty() {
            self.remove()?;
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.directory)?;
        }
        for (name, bytes) in left.files().filter(|(name, _)| !self.needed.contains(name)) {
            self.write(&name, bytes)?;
        }
        self.write(RECORD, &serde_json::to_vec(&left.record)?)?;
        let needed: BTreeSet<_> = left.record.files().collect();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_str().is_some_and(|name| name == RECORD || needed.contains(name)) {
                fs::remove_file(entry.path())?;
            }
        }
        self.needed = needed;
        Ok(())
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Leaves nothing.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        self.needed.clear();
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        // Half a file is not to be found under its name.
        let new = self.directory.join("new");
        fs::write(&new, bytes)?;
        fs::rename(new, self.directory.join(name))
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
    fn files(&self) -> impl Iterator<Item = (String, &Bytes)> {
        self.record.files().zip(self.segments.iter().chain(&self.inits))
    }

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

    /// As [`record`], with what is in its files: their names.
    fn left(first: u64, last: u64, init: u32) -> Left {
        let record = record(first, last, init);
        let segments = (first..=last).map(|sequence| segment_name(sequence).into()).collect();
        Left { record, segments, inits: vec![init_name(init).into()] }
    }

    /// A trail of the segments 0, 1 and 2.
    fn trail(path: &Path) -> Trail {
        let mut trail = Trail::new(path.to_owned());
        assert!(trail.find(at(0)).is_none());
        for sequence in 0..3 {
            trail.keep(&left(0, sequence, 0), at(sequence)).unwrap();
        }
        trail
    }

    #[test]
    fn what_a_playlist_lists_outlives_its_stream_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("streams/one");
        drop(trail(&path));
        assert_eq!(names(&path), ["0.m4s", "1.m4s", "2.m4s", "init-0.mp4", "stream.json"]);
        // Left by an interruption.
        fs::write(path.join("new"), b"ha").unwrap();
        fs::write(path.join("9.m4s"), b"not in the record").unwrap();
        let mut next = Trail::new(path.clone());
        assert_eq!(next.find(at(20)), Some(left(0, 2, 0)));
        next.keep(&left(2, 3, 1), at(20)).unwrap();
        assert_eq!(names(&path), ["2.m4s", "3.m4s", "init-1.mp4", "stream.json"]);
        assert_eq!(Trail::new(path.clone()).find(at(20)), Some(left(2, 3, 1)));
        next.remove().unwrap();
        next.remove().unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_trail_may_begin_late_and_again_after_a_disk_that_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("one");
        let mut trail = Trail::new(path.clone());
        trail.keep(&left(5, 9, 3), at(10)).unwrap();
        assert_eq!(Left::read(&path, at(10)), Some(left(5, 9, 3)));
        fs::create_dir(path.join("new")).unwrap();
        assert!(trail.keep(&left(6, 10, 3), at(11)).is_err());
        assert!(!path.exists(), "nobody finds what is out of date");
        trail.keep(&left(7, 11, 3), at(12)).unwrap();
        assert!(!path.exists(), "and nobody is asked each second");
        trail.keep(&left(400, 411, 3), at(400)).unwrap();
        assert_eq!(Left::read(&path, at(412)), Some(left(400, 411, 3)));
    }

    #[test]
    fn what_is_of_no_use_is_not_gone_on_with() {
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
            let path = directory.path();
            drop(trail(path));
            mishap(path);
            let mut trail = Trail::new(path.to_owned());
            assert_eq!(trail.find(now), None, "{case}");
            trail.keep(&left(7, 7, 2), at(7)).unwrap();
            assert_eq!(names(path), ["7.m4s", "init-2.mp4", "stream.json"], "{case}");
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
