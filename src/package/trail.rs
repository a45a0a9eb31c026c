//! A stream's newest segments as files: what players of a daemon that was killed may still ask the
//! next one for. A segment that was announced and is then refused is an error on a TV.

use std::{
    collections::VecDeque,
    fs, io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;

/// Bounded: of segments and of init segments the oldest go first.
#[derive(Debug)]
pub(super) struct Trail {
    directory: PathBuf,
    /// Names of files, the oldest first.
    segments: VecDeque<String>,
    inits: VecDeque<String>,
}

impl Trail {
    /// As many as a playlist lists.
    const MOST_SEGMENTS: usize = 12;
    /// Each needs an encoder that failed; players are told of the last few only.
    const MOST_INITS: usize = 4;

    /// Goes on with what is there.
    pub(super) fn open(directory: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let mut names = Vec::new();
        for entry in fs::read_dir(&directory)? {
            names.extend(entry?.file_name().into_string());
        }
        // Numbers of one length more are larger.
        names.sort_by(|one, other| (one.len(), one).cmp(&(other.len(), other)));
        let (inits, segments) = names.into_iter().partition(|name| name.starts_with("init-"));
        Ok(Self { directory, segments, inits })
    }

    pub(super) fn keep_segment(&mut self, sequence: u64, bytes: &[u8]) -> io::Result<()> {
        let name = segment_name(sequence);
        keep(&self.directory, &mut self.segments, Self::MOST_SEGMENTS, name, bytes)
    }

    pub(super) fn keep_init(&mut self, number: u32, bytes: &[u8]) -> io::Result<()> {
        let name = init_name(number);
        keep(&self.directory, &mut self.inits, Self::MOST_INITS, name, bytes)
    }

    pub(super) fn segment(&self, sequence: u64) -> Option<Bytes> {
        read(&self.directory, &self.segments, &segment_name(sequence))
    }

    pub(super) fn init(&self, number: u32) -> Option<Bytes> {
        read(&self.directory, &self.inits, &init_name(number))
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Leaves nothing.
    pub(super) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(self.directory)
    }
}

fn segment_name(sequence: u64) -> String {
    format!("{sequence}.m4s")
}

fn init_name(number: u32) -> String {
    format!("init-{number}.mp4")
}

fn keep(
    directory: &Path,
    names: &mut VecDeque<String>,
    most: usize,
    name: String,
    bytes: &[u8],
) -> io::Result<()> {
    // Half a file is not to be found under its name.
    let new = directory.join("new");
    fs::write(&new, bytes)?;
    fs::rename(new, directory.join(&name))?;
    names.retain(|own| *own != name);
    names.push_back(name);
    while names.len() > most {
        if let Some(oldest) = names.pop_front() {
            fs::remove_file(directory.join(oldest))?;
        }
    }
    Ok(())
}

fn read(directory: &Path, names: &VecDeque<String>, name: &str) -> Option<Bytes> {
    let is_there = names.iter().any(|own| own == name);
    is_there.then(|| fs::read(directory.join(name)).ok())?.map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_segments_outlive_their_stream_and_go_one_by_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("streams/one");
        let mut trail = Trail::open(path.clone()).unwrap();
        trail.keep_init(0, b"init").unwrap();
        for sequence in 0..30 {
            trail.keep_segment(sequence, sequence.to_string().as_bytes()).unwrap();
        }
        drop(trail);
        let mut next = Trail::open(path.clone()).unwrap();
        assert_eq!((next.segment(17), next.segment(18)), (None, Some(Bytes::from("18"))));
        assert_eq!((next.init(0), next.init(62)), (Some(Bytes::from("init")), None));
        next.keep_init(62, b"another").unwrap();
        for sequence in 62..73 {
            next.keep_segment(sequence, b"new").unwrap();
        }
        assert_eq!((next.segment(28), next.segment(29)), (None, Some(Bytes::from("29"))));
        assert!(next.segment(62).is_some() && next.init(62).is_some());
        assert_eq!(fs::read_dir(&path).unwrap().count(), Trail::MOST_SEGMENTS + 2);
        next.remove().unwrap();
        assert!(!path.exists());
    }
}
