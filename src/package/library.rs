//! Where players find a stream, by the secret in its address.

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::watch;

use super::live::{LiveStream, StreamOptions};
use crate::{
    ids::MediaToken,
    session::{
        Audio,
        cast::Fetched,
        ports::{self, Streams},
    },
};

/// All streams of the daemon.
#[derive(Debug)]
pub struct Library {
    room: RwLock<Room>,
    /// Where streams leave their trails.
    trails: Option<PathBuf>,
    shelves: RwLock<HashMap<String, Arc<Shelf>>>,
}

/// What a stream gets.
#[derive(Clone, Copy, Debug)]
struct Room {
    retention: Duration,
    /// In bytes.
    memory: usize,
}

/// A stream under one of its tokens.
#[derive(Debug)]
pub struct Shelf {
    pub stream: Arc<LiveStream>,
    /// A player has begun, and has not fetched its first media playlist.
    begins: AtomicBool,
    /// What has been fetched here.
    fetched: watch::Sender<Fetched>,
}

impl Shelf {
    /// As [`LiveStream::master_playlist`], and it counts.
    pub fn master_playlist(&self) -> Option<String> {
        let playlist = self.stream.master_playlist()?;
        self.fetched.send_modify(|fetched| {
            self.begins.store(true, Ordering::Relaxed);
            fetched.playlists += 1;
            fetched.list = None;
        });
        Some(playlist)
    }

    /// As [`LiveStream::media_playlist`], and it counts.
    pub fn media_playlist(&self) -> Option<String> {
        let list = self.stream.list()?;
        self.fetched.send_modify(|fetched| {
            fetched.playlists += 1;
            if self.begins.swap(false, Ordering::Relaxed) {
                fetched.list = list.entries.first().map(|entry| entry.place);
            }
        });
        Some(list.to_string())
    }

    /// As [`LiveStream::init`], and it counts.
    pub fn init(&self, number: u32) -> Option<Bytes> {
        let bytes = self.stream.init(number)?;
        self.fetched.send_modify(|fetched| fetched.inits += 1);
        Some(bytes)
    }

    /// As [`LiveStream::segment`], and it counts.
    pub fn segment(&self, sequence: u64) -> Option<Bytes> {
        let bytes = self.stream.segment(sequence)?;
        let entry = self.stream.entry(sequence);
        self.fetched.send_modify(|fetched| {
            fetched.segments += 1;
            let end = entry.map(|entry| entry.end());
            fetched.end = fetched.end.into_iter().chain(end).max_by_key(|end| end.taken);
        });
        Some(bytes)
    }
}

impl Library {
    /// Every stream gets this retention and as much memory, in bytes. Below `trails` the newest segments
    /// of those that another daemon may go on with are kept as files.
    pub fn new(retention: Duration, memory: usize, trails: Option<PathBuf>) -> Self {
        Self { room: RwLock::new(Room { retention, memory }), trails, shelves: RwLock::default() }
    }

    /// Streams that are made from now on get this retention and as much memory, in bytes.
    pub fn set_room(&self, retention: Duration, memory: usize) {
        *self.room.write().unwrap_or_else(PoisonError::into_inner) = Room { retention, memory };
    }

    /// Removes the trails that none of the streams goes on with; nobody will.
    pub fn remove_other_trails(&self) {
        let Some(entries) = self.trails.as_ref().and_then(|trails| fs::read_dir(trails).ok())
        else {
            return;
        };
        let used = self.trails_in_use();
        for path in entries.flatten().map(|entry| entry.path()).filter(|path| !used.contains(path))
        {
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, path = %path.display(), "removing an old stream's files");
            }
        }
    }

    /// All sessions that share a stream know its origin: any of them may be the one to go on with it.
    fn unused_trail(&self, origin: Timestamp) -> Option<PathBuf> {
        let path = self.trails.as_ref()?.join(origin.as_nanosecond().to_string());
        (!self.trails_in_use().contains(&path)).then_some(path)
    }

    fn trails_in_use(&self) -> Vec<PathBuf> {
        let shelves = self.shelves.read().unwrap_or_else(PoisonError::into_inner);
        shelves.values().filter_map(|shelf| shelf.stream.trail()).collect()
    }

    pub fn get(&self, token: &str) -> Option<Arc<Shelf>> {
        self.shelves.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn put(&self, token: &MediaToken, stream: Arc<LiveStream>) -> watch::Receiver<Fetched> {
        let (fetched, counted) = watch::channel(Fetched::default());
        let shelf = Arc::new(Shelf { stream, begins: AtomicBool::new(false), fetched });
        let mut shelves = self.shelves.write().unwrap_or_else(PoisonError::into_inner);
        shelves.insert(token.as_str().to_owned(), shelf);
        counted
    }
}

impl Streams for Library {
    fn create(
        &self,
        token: &MediaToken,
        audio: Audio,
        origin: Timestamp,
        has_heir: bool,
    ) -> Arc<dyn ports::Stream> {
        let age = Timestamp::now().duration_since(origin);
        let Room { retention, memory } = *self.room.read().unwrap_or_else(PoisonError::into_inner);
        let stream = Arc::new(LiveStream::new(StreamOptions {
            audio,
            retention,
            memory,
            // A clock that was set back takes what it can get.
            age: Duration::try_from(age).unwrap_or_default(),
            trail: has_heir.then(|| self.unused_trail(origin)).flatten(),
        }));
        self.put(token, Arc::clone(&stream));
        stream
    }

    fn bequeath(&self, token: &MediaToken, origin: Timestamp) {
        if let Some(shelf) = self.get(token.as_str())
            && let Some(trail) = self.unused_trail(origin)
        {
            shelf.stream.leave_trail(trail);
        }
    }

    fn share(&self, of: &MediaToken, token: &MediaToken) -> watch::Receiver<Fetched> {
        match self.get(of.as_str()) {
            Some(shelf) => self.put(token, Arc::clone(&shelf.stream)),
            // Of a stream that is over nothing will be fetched.
            None => watch::channel(Fetched::default()).1,
        }
    }

    fn remove(&self, token: &MediaToken) {
        self.shelves.write().unwrap_or_else(PoisonError::into_inner).remove(token.as_str());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        media::{MediaTime, Packet, StreamInfo},
        session::cast::Place,
        units::{BitRate, FrameRate, Size},
    };

    #[test]
    fn the_library_gives_streams_to_those_who_know_their_token() {
        let library = Library::new(Duration::from_secs(60), 1 << 20, None);
        let [token, tv, stray] = [(); 3].map(|()| MediaToken::random().unwrap());
        library.create(&token, Audio::None, Timestamp::now(), false);
        let counted = library.share(&token, &tv);
        let [own, shared] = [&token, &tv].map(|token| library.get(token.as_str()).unwrap());
        assert!(Arc::ptr_eq(&own.stream, &shared.stream));
        assert_eq!(shared.segment(0), None);
        assert_eq!(*counted.borrow(), Fetched::default(), "what is not there was not fetched");
        assert!(library.get("other").is_none());
        library.remove(&token);
        assert!(library.get(token.as_str()).is_none() && library.get(tv.as_str()).is_some());
        library.share(&token, &stray);
        assert!(library.get(stray.as_str()).is_none());
    }

    #[test]
    fn a_stream_has_one_trail_and_shares_it_with_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let trails = Some(directory.path().to_owned());
        let library = Library::new(Duration::from_secs(60), 1 << 20, trails);
        let [one, other, stray] = [(); 3].map(|()| MediaToken::random().unwrap());
        let origin = Timestamp::now();
        library.create(&one, Audio::None, origin, false);
        library.create(&other, Audio::None, origin, false);
        let trail = |token: &MediaToken| library.get(token.as_str()).unwrap().stream.trail();
        assert_eq!((trail(&one), trail(&other)), (None, None));
        library.bequeath(&stray, origin);
        library.bequeath(&one, origin);
        library.bequeath(&one, origin);
        library.bequeath(&other, origin);
        let path = directory.path().join(origin.as_nanosecond().to_string());
        assert_eq!((trail(&one), trail(&other)), (Some(path), None));
    }

    const fn at(second: u64) -> MediaTime {
        MediaTime::from_ticks((100 + second) * MediaTime::TICKS_PER_SECOND)
    }

    #[test]
    fn it_is_known_with_what_a_tv_began_and_how_far_it_has_got() {
        let library = Library::new(Duration::from_secs(60), 1 << 20, None);
        let token = MediaToken::random().unwrap();
        let stream = library.create(&token, Audio::None, Timestamp::now(), false);
        let counted = library.share(&token, &token);
        let shelf = library.get(token.as_str()).unwrap();
        let known = || {
            let Fetched { list, end, .. } = *counted.borrow();
            [list, end].map(|place| place.map(|Place { taken, holes }| (taken, holes)))
        };
        let info = StreamInfo {
            encoder: "libx264".to_owned(),
            size: Size::new(1280, 720),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(2500),
            sps: vec![0x67, 0x64, 0, 41, 0xac].into(),
            pps: vec![0x68, 0xee].into(),
        };
        stream.begin(info).unwrap();
        let push = |second| {
            // The hole of half a second is none that counts.
            let start =
                if second == 5 { at(5) + MediaTime::from_ticks(45_000) } else { at(second) };
            let data = vec![0, 0, 0, 1, 0x65, 0x88, 1, 2, 3].into();
            stream.push(Packet { time: start, idr: true, data });
            stream.end_segment(at(second + 1));
        };
        (0..20).for_each(push);
        shelf.segment(3).unwrap();
        let whole = |second| Some((at(second), MediaTime::ZERO));
        assert_eq!(known(), [None, whole(4)]);
        shelf.media_playlist().unwrap();
        assert_eq!(known(), [None, whole(4)], "its player began before");
        shelf.master_playlist().unwrap();
        shelf.media_playlist().unwrap();
        shelf.segment(17).unwrap();
        shelf.segment(16).unwrap();
        assert_eq!(known(), [whole(8), whole(18)]);
        (24..30).for_each(push);
        shelf.segment(20).unwrap();
        shelf.media_playlist().unwrap();
        let holes = MediaTime::from_ticks(4 * MediaTime::TICKS_PER_SECOND);
        assert_eq!(known(), [whole(8), Some((at(25), holes))]);
        shelf.master_playlist().unwrap();
        assert_eq!(known()[0], None, "it begins anew");
    }
}
