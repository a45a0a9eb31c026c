//! What a TV's player does to the server: it fetches.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use ureq::Agent;
use url::Url;

use crate::{scripted::ScriptedTv, support::playlist::Playlist};

/// How often a player looks for news.
const EVERY: Duration = Duration::from_millis(500);
/// How many segments behind the newest one it begins.
const BEHIND: usize = 3;
/// A master playlist may wait for the first segment.
const ANSWER: Duration = Duration::from_secs(20);

/// Fetches whatever its TV plays, as long as that plays. Ends when dropped.
#[derive(Debug)]
pub(crate) struct Viewer {
    eyes: Arc<Eyes>,
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Eyes {
    closed: AtomicBool,
    seen: Mutex<BTreeMap<String, Seen>>,
}

/// What was seen of one stream, by its address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// Of the segments fetched, the last one.
    pub(crate) last: Option<u64>,
    pub(crate) segments: usize,
    init: String,
    /// Of the last playlist: its first segment, and the discontinuities before that.
    start: u64,
    discontinuity_sequence: u64,
    /// How many discontinuities lie before the last segment, as players count them.
    pub(crate) discontinuities: u64,
    /// The playlist had an end.
    ended: bool,
    /// What no player would forgive.
    pub(crate) complaints: Vec<String>,
}

impl Viewer {
    pub(crate) fn of(tv: Arc<ScriptedTv>) -> Self {
        let eyes = Arc::new(Eyes::default());
        let (stop, stopped) = mpsc::channel();
        let thread = thread::spawn({
            let eyes = Arc::clone(&eyes);
            move || {
                let agent = Agent::config_builder()
                    .http_status_as_error(false)
                    .timeout_global(Some(ANSWER))
                    .build()
                    .into();
                while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                    let media = tv.state().media.filter(|media| media.state == "PLAYING");
                    if let Some(media) = media
                        && !eyes.closed.load(Ordering::Relaxed)
                    {
                        eyes.look(&agent, &media.content);
                    }
                }
            }
        });
        Self { eyes, stop: Some(stop), thread: Some(thread) }
    }

    /// Fetches nothing from now on, whatever the TV says.
    pub(crate) fn pause(&self) {
        self.eyes.closed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn go_on(&self) {
        self.eyes.closed.store(false, Ordering::Relaxed);
    }

    /// What it has seen of the stream at this address.
    pub(crate) fn seen(&self, content: &str) -> Seen {
        self.eyes.seen().get(content).cloned().unwrap_or_default()
    }
}

impl Drop for Viewer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join)
            && !thread::panicking()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Eyes {
    fn seen(&self) -> MutexGuard<'_, BTreeMap<String, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches what is new. A server that is not there is met again later.
    fn look(&self, agent: &Agent, content: &str) {
        let Ok(master) = Url::parse(content) else { return };
        if master.path().rsplit_once('.').is_none_or(|(_, ending)| ending != "m3u8") {
            return;
        }
        let mut seen = self.seen().get(content).cloned().unwrap_or_default();
        seen.look(agent, &master);
        self.seen().insert(content.to_owned(), seen);
    }
}

impl Seen {
    /// `None`: there is no more to be had now.
    fn look(&mut self, agent: &Agent, master: &Url) -> Option<()> {
        let text = self.fetch(agent, master)?;
        let text = String::from_utf8_lossy(&text);
        let Some(media) = text.lines().find(|line| !line.starts_with('#')) else {
            self.complaints.push(format!("{master} names nothing: {text}"));
            return None;
        };
        let media = master.join(media).expect("an address in a playlist");
        let text = self.fetch(agent, &media)?;
        let text = String::from_utf8_lossy(&text);
        // A request that waits for the next segment is answered when the stream ends. By the next look, the
        // TV has been told to stop.
        if text.contains("#EXT-X-ENDLIST") {
            if self.ended {
                self.complaints.push(format!("it is to go on playing what has ended: {text}"));
            }
            self.ended = true;
            return None;
        }
        let playlist = Playlist::parse(&text);
        self.check(&playlist);
        let entries = &playlist.entries;
        let newest = entries.len().saturating_sub(BEHIND);
        let from = match self.last {
            None => newest,
            Some(last) => entries.iter().position(|entry| entry.sequence > last)?,
        };
        for (index, entry) in entries.iter().enumerate().skip(from) {
            if self.init != entry.init {
                self.fetch(agent, &media.join(&entry.init).expect("an address in a playlist"))?;
                self.init.clone_from(&entry.init);
            }
            self.fetch(agent, &media.join(&entry.uri).expect("an address in a playlist"))?;
            self.last = Some(entry.sequence);
            self.segments += 1;
            let marked = entries[..=index].iter().filter(|entry| entry.discontinuity).count();
            self.discontinuities = playlist.discontinuity_sequence + marked as u64;
        }
        Some(())
    }

    /// A live playlist only ever goes on.
    fn check(&mut self, playlist: &Playlist) {
        let (Some(first), Some(last)) = (playlist.entries.first(), playlist.entries.last()) else {
            self.complaints.push("the playlist is empty".to_owned());
            return;
        };
        if first.sequence < self.start || Some(last.sequence) < self.last {
            let (from, to) = (first.sequence, last.sequence);
            let (start, seen) = (self.start, self.last);
            self.complaints.push(format!("{from} to {to} after {start} to {seen:?}"));
        }
        let discontinuities = playlist.discontinuity_sequence;
        if discontinuities < self.discontinuity_sequence {
            let before = self.discontinuity_sequence;
            self.complaints.push(format!("discontinuity {discontinuities} after {before}"));
        }
        self.start = first.sequence;
        self.discontinuity_sequence = discontinuities;
    }

    fn fetch(&mut self, agent: &Agent, url: &Url) -> Option<Vec<u8>> {
        let mut answer = agent.get(url.as_str()).call().ok()?;
        let status = answer.status().as_u16();
        if status != 200 {
            self.complaints.push(format!("{} is {status}", url.path()));
            return None;
        }
        answer.body_mut().read_to_vec().ok()
    }
}
