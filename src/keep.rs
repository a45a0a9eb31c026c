//! Adapter: what outlives the daemon, as files in its state directory.
//!
//! `sessions.json` holds what is wanted on which TV. It has the secrets of their pages, so it is for
//! the daemon's user only. `tvs.json` holds what is remembered of each TV, `encoders.json` which encoders
//! worked. A file is replaced as a
//! whole: after a crash it is the old one or the new one.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    ids::{DeviceId, SessionId},
    session::{Order, Proof, cast::Memory, ports::Keeper},
};

const SESSIONS: &str = "sessions.json";
const TVS: &str = "tvs.json";
const ENCODERS: &str = "encoders.json";
const LOCK: &str = "lock";

/// The files of one state directory. What the disk refuses this daemon knows all the same, and tries again.
#[derive(Debug)]
pub struct Files {
    directory: PathBuf,
    kept: Mutex<Kept>,
    /// Files that are not as they should be, and why. Apart, so that nobody waits for the disk to ask.
    refused: Mutex<BTreeMap<&'static str, String>>,
    /// Held as long as this lives.
    _lock: File,
}

#[derive(Debug)]
struct Kept {
    sessions: Vec<Order>,
    tvs: BTreeMap<DeviceId, Memory>,
    proofs: BTreeMap<String, Proof>,
}

impl Files {
    /// Reads what is there, and makes the directory if it is not. A file that makes no sense is put
    /// aside and said so in the log.
    ///
    /// # Errors
    /// The directory cannot be made or read, or another daemon keeps its sessions there.
    pub fn open(directory: PathBuf) -> io::Result<Self> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        let lock = private(&directory.join(LOCK))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => io::Error::new(
                io::ErrorKind::ResourceBusy,
                "another daemon keeps its sessions there",
            ),
            TryLockError::Error(error) => error,
        })?;
        let kept = Kept {
            sessions: read(&directory.join(SESSIONS))?,
            tvs: read(&directory.join(TVS))?,
            proofs: read(&directory.join(ENCODERS))?,
        };
        Ok(Self { directory, kept: Mutex::new(kept), refused: Mutex::default(), _lock: lock })
    }

    /// Why something that is to be kept is not on disk.
    pub fn refused(&self) -> Option<String> {
        self.refusals().values().next().cloned()
    }

    /// Writes what the disk refused.
    pub fn try_again(&self) {
        let kept = self.lock();
        let refused: Vec<_> = self.refusals().keys().copied().collect();
        for name in refused {
            match self.write(name, &kept) {
                Ok(()) => tracing::info!(file = name, "what was refused is on disk"),
                Err(error) => tracing::debug!(file = name, %error, "the disk still refuses"),
            }
        }
    }

    fn write(&self, name: &'static str, kept: &Kept) -> io::Result<()> {
        let outcome = match name {
            SESSIONS => self.replace(name, &kept.sessions),
            TVS => self.replace(name, &kept.tvs),
            _ => self.replace(name, &kept.proofs),
        };
        let mut refusals = self.refusals();
        match &outcome {
            Ok(()) => refusals.remove(name),
            Err(error) => refusals.insert(name, error.to_string()),
        };
        outcome
    }

    fn is_on_disk(&self, name: &str) -> bool {
        !self.refusals().contains_key(name)
    }

    fn refusals(&self) -> MutexGuard<'_, BTreeMap<&'static str, String>> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn replace(&self, name: &str, content: &impl Serialize) -> io::Result<()> {
        let new = self.directory.join(format!("{name}.new"));
        let mut file = private(&new)?;
        serde_json::to_writer_pretty(&mut file, content)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(new, self.directory.join(name))?;
        // The new file is there. Not every file system can promise that it still is after a crash.
        if let Err(error) = File::open(&self.directory).and_then(|directory| directory.sync_all()) {
            tracing::debug!(%error, "the state directory cannot be synchronised");
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Each change is whole before anything can go wrong.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file for its owner only, from the start.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

fn read<T: DeserializeOwned + Default>(path: &Path) -> io::Result<T> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(T::default()),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&text).or_else(|error| {
        let aside = path.with_extension("json.broken");
        tracing::error!(
            file = %path.display(), %error, aside = %aside.display(),
            "what was kept makes no sense, beginning anew"
        );
        fs::rename(path, aside)?;
        Ok(T::default())
    })
}

impl Keeper for Files {
    fn memory(&self, device: &DeviceId) -> Memory {
        self.lock().tvs.get(device).cloned().unwrap_or_default()
    }

    fn remember(&self, device: &DeviceId, memory: &Memory) -> io::Result<()> {
        let mut kept = self.lock();
        kept.tvs.insert(device.clone(), memory.clone());
        self.write(TVS, &kept)
    }

    fn orders(&self) -> Vec<Order> {
        let mut orders = self.lock().sessions.clone();
        orders.sort_by_key(|order| order.started_at);
        orders
    }

    fn keep(&self, order: &Order) -> io::Result<()> {
        let mut kept = self.lock();
        if kept.sessions.contains(order) && self.is_on_disk(SESSIONS) {
            return Ok(());
        }
        // One of the same target or on the same TV is replaced by it, also when it could not be gone
        // on with.
        let tv = |order: &Order| order.spec.cast.as_ref().map(|cast| cast.tv.id.clone());
        kept.sessions.retain(|other| {
            other.id != order.id && other.spec.target != order.spec.target && tv(other) != tv(order)
        });
        kept.sessions.push(order.clone());
        self.write(SESSIONS, &kept)
    }

    fn forget(&self, session: &SessionId) -> io::Result<()> {
        let mut kept = self.lock();
        let before = kept.sessions.len();
        kept.sessions.retain(|order| order.id != *session);
        if kept.sessions.len() == before && self.is_on_disk(SESSIONS) {
            return Ok(());
        }
        self.write(SESSIONS, &kept)
    }

    fn proofs(&self) -> BTreeMap<String, Proof> {
        self.lock().proofs.clone()
    }

    fn keep_proofs(&self, proofs: &BTreeMap<String, Proof>) -> io::Result<()> {
        let mut kept = self.lock();
        if kept.proofs == *proofs && self.is_on_disk(ENCODERS) {
            return Ok(());
        }
        kept.proofs.clone_from(proofs);
        self.write(ENCODERS, &kept)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jiff::Timestamp;

    use super::*;
    use crate::{
        ids::MediaToken,
        session::{Defaults, Quality, StartRequest, tv::TvChoice},
    };

    fn order(url: &str, tv: &str) -> Order {
        let tv = TvChoice {
            id: DeviceId::new(tv),
            name: "kitchen".to_owned(),
            best: Quality::default(),
        };
        let mut request = StartRequest::new(url.to_owned());
        request.duration = Some(1.5);
        request.volume = Some(0.25);
        let spec = request.into_spec(&Defaults::default(), Some(tv)).unwrap();
        let now = Timestamp::now();
        Order {
            id: SessionId::random().unwrap(),
            token: MediaToken::random().unwrap(),
            tv_token: MediaToken::random().unwrap(),
            started_at: now,
            ends_at: Some(now),
            origin: now,
            spec,
        }
    }

    #[test]
    fn what_was_kept_is_there_again_and_for_nobody_else() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let files = Files::open(state.clone()).unwrap();
        let (one, other) = (order("http://one/", "hall"), order("http://other/", "loft"));
        files.keep(&one).unwrap();
        files.keep(&other).unwrap();
        let tv = DeviceId::new("tv");
        let memory = Memory { had_screen: true, ..Memory::default() };
        files.remember(&tv, &memory).unwrap();
        assert_eq!(Files::open(state.clone()).unwrap_err().kind(), io::ErrorKind::ResourceBusy);
        drop(files);
        let again = Files::open(state.clone()).unwrap();
        assert_eq!(again.orders(), [one.clone(), other.clone()]);
        assert_eq!(again.memory(&tv), memory);
        assert_eq!(again.memory(&DeviceId::new("another")), Memory::default());
        again.forget(&one.id).unwrap();
        let next = order("http://next/", "loft");
        again.keep(&next).unwrap();
        drop(again);
        let again = Files::open(state.clone()).unwrap();
        assert_eq!(again.orders(), [next], "it has the TV now");
        let mut names = Vec::new();
        for entry in fs::read_dir(&state).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o077, 0, "{entry:?}");
            names.push(entry.file_name());
        }
        names.sort();
        assert_eq!(names, [LOCK, SESSIONS, TVS]);
    }

    #[test]
    fn a_file_that_makes_no_sense_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(SESSIONS), "[{\"id\":").unwrap();
        let files = Files::open(directory.path().to_owned()).unwrap();
        assert_eq!(files.orders(), []);
        let aside = fs::read_to_string(directory.path().join("sessions.json.broken")).unwrap();
        assert_eq!(aside, "[{\"id\":");
    }

    #[test]
    fn what_the_disk_refused_is_tried_again() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        let files = Files::open(state.clone()).unwrap();
        assert_eq!(files.refused(), None);
        fs::remove_dir_all(&state).unwrap();
        let (one, other) = (order("http://one/", "hall"), order("http://other/", "loft"));
        assert!(files.keep(&one).is_err() && files.keep(&other).is_err());
        files.try_again();
        assert!(files.refused().is_some());
        assert!(files.forget(&other.id).is_err());
        fs::create_dir(&state).unwrap();
        let memory = Memory { had_screen: true, ..Memory::default() };
        files.remember(&DeviceId::new("tv"), &memory).unwrap();
        assert!(files.refused().is_some(), "that was another file");
        files.try_again();
        assert_eq!(files.refused(), None);
        drop(files);
        let again = Files::open(state).unwrap();
        assert_eq!((again.orders(), again.memory(&DeviceId::new("tv"))), (vec![one], memory));
    }
}
