//! One stream, as its session fills it and as players read it.

use std::{
    collections::VecDeque,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::stream;
use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use super::{
    mp4,
    playlist::{Entry, Master, Media},
    segmenter::{Cut, Segmenter},
    silence,
    store::{Segment, Store},
    trail::{Left, Record, Trail},
};
use crate::{
    media::{MediaTime, Packet, StreamInfo},
    session::{Audio, Sent, cast::Place, ports},
    units::BitRate,
};

/// How a stream is held.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    pub audio: Audio,
    /// How long a segment can be fetched.
    pub retention: Duration,
    /// What all segments together may weigh, in bytes.
    pub memory: usize,
    /// How long ago the stream's time began. One that goes on where a daemon before left it, and left no
    /// trail, counts on above all that it can have counted to, so that players see it go on and not begin
    /// again.
    pub age: Duration,
    /// Where its newest segments are kept as files, for the daemon that goes on with it; see
    /// [`LiveStream::leave_trail`]. What one before left there is gone on with.
    pub trail: Option<PathBuf>,
}

impl StreamOptions {
    /// The first number of segments, discontinuities and init segments. There are never more than one
    /// of each in half a second.
    fn first(&self) -> u32 {
        match self.age.as_secs() {
            0 => 0,
            seconds => u32::try_from(2 * seconds + 2).unwrap_or(u32::MAX / 2),
        }
    }
}

/// From then on the next segment is waited for, since the newest came.
const SOON: Duration = Duration::from_millis(500);
/// Until then, since the newest came: nobody waits for a second.
const LATE: Duration = Duration::from_millis(1400);

/// Players treat holes of more than a second each in their own way, and measure them not quite as we do.
const HOLE: MediaTime = MediaTime::from_ticks(9 * MediaTime::TICKS_PER_SECOND / 10);

/// A live stream.
///
/// Readers never hold it up: they share finished bytes, and one that falls behind what is held is
/// cut off.
pub struct LiveStream {
    audio: Audio,
    /// The number of the first segment that is made here, and not by a daemon before.
    first: u64,
    state: Mutex<State>,
    /// Sequence number after the newest segment; `None` when the stream is over.
    progress: watch::Sender<Option<u64>>,
}

struct State {
    trail: Option<Trail>,
    /// What the first init segment's number is.
    first_init: u32,
    /// The stream's time at its first picture.
    begins_at: MediaTime,
    segmenter: Segmenter,
    store: Store,
    inits: VecDeque<Init>,
    /// The first picture by the clock of pictures.
    base: Option<MediaTime>,
    /// When the newest segment came, or was found, and what the newest of our own has.
    newest: Option<Instant>,
    sent: Option<Sent>,
    /// The next frame of silence.
    sound: u64,
    bandwidth: u64,
    ended: bool,
}

struct Init {
    number: u32,
    info: StreamInfo,
    bytes: Bytes,
}

impl LiveStream {
    pub fn new(options: StreamOptions) -> Self {
        let mut state = State::new(&options);
        state.trail = options.trail.map(Trail::new);
        let left = state.trail.as_mut().and_then(|trail| trail.find(MediaTime::now()));
        if let Some(left) = left {
            state.go_on(left);
        }
        let first = state.store.next();
        Self {
            audio: options.audio,
            first,
            state: Mutex::new(state),
            progress: watch::channel(Some(first)).0,
        }
    }

    /// `None` before the first segment.
    pub fn master_playlist(&self) -> Option<String> {
        let state = self.lock();
        let latest = state.store.latest()?;
        let info = &state.inits.iter().find(|init| init.number == latest.entry.init)?.info;
        let mut codecs = mp4::codec(info)?;
        if self.audio == Audio::Silent {
            codecs.push_str(",mp4a.40.2");
        }
        let master = Master {
            bandwidth: state.bandwidth,
            codecs,
            size: info.size,
            frame_rate: info.frame_rate,
        };
        Some(master.to_string())
    }

    /// `None` before the first segment.
    pub fn media_playlist(&self) -> Option<String> {
        self.list().map(|list| list.to_string())
    }

    /// `None` before the first segment.
    pub(super) fn list(&self) -> Option<Media> {
        let state = self.lock();
        state.store.latest()?;
        Some(state.store.playlist(state.ended))
    }

    pub fn init(&self, number: u32) -> Option<Bytes> {
        let state = self.lock();
        let held = state.inits.iter().find(|init| init.number == number);
        held.map(|init| init.bytes.clone())
    }

    pub fn segment(&self, sequence: u64) -> Option<Bytes> {
        self.lock().store.get(sequence).map(|segment| segment.bytes.clone())
    }

    /// What is known of a segment that is held.
    pub(super) fn entry(&self, sequence: u64) -> Option<Entry> {
        Some(self.lock().store.get(sequence)?.entry.clone())
    }

    /// Comes back when there is a first segment, or when none will ever be.
    pub async fn ready(&self) {
        if self.lock().store.latest().is_some() {
            return;
        }
        // The sender is part of `self`, so the channel cannot close meanwhile.
        drop(self.progress.subscribe().wait_for(|next| *next != Some(self.first)).await);
    }

    /// Comes back with the next segment where that comes soon, else at once.
    ///
    /// Players fetch the playlist about as often as there is a segment. One that happens to fetch it just
    /// after a segment came would, a little early, next get the same again, and by then have played all
    /// that it knows of. That is as good as never with those that get it with a new segment.
    pub async fn fresh(&self) {
        let mut progress = self.progress.subscribe();
        if progress.borrow().is_none() {
            return;
        }
        let Some(newest) = self.lock().newest else { return };
        if newest.elapsed() >= SOON {
            drop(timeout_at(newest + LATE, progress.changed()).await);
        }
    }

    /// One endless file from the newest segment on. It ends with the stream, or when its reader falls
    /// behind what is held.
    pub fn progressive(self: &Arc<Self>) -> impl stream::Stream<Item = Bytes> + Send + 'static {
        let reader = Reader {
            stream: Arc::clone(self),
            progress: self.progress.subscribe(),
            next: None,
            init: None,
        };
        stream::unfold(reader, |mut reader| async move {
            let bytes = reader.read().await?;
            Some((bytes, reader))
        })
    }

    fn publish(&self, mut state: MutexGuard<'_, State>, cut: Option<Cut>) {
        let Some(cut) = cut else { return };
        match state.finish(cut, self.audio) {
            Ok(()) => {
                let next = state.store.next();
                drop(state);
                self.progress.send_replace(Some(next));
            }
            Err(error) => tracing::warn!(%error, "a segment could not be written, leaving it out"),
        }
    }

    /// Keeps its newest segments as files there from now on, unless they are kept already.
    pub(super) fn leave_trail(&self, directory: PathBuf) {
        self.lock().trail.get_or_insert_with(|| Trail::new(directory));
    }

    /// Where its newest segments are kept.
    pub(super) fn trail(&self) -> Option<PathBuf> {
        self.lock().trail.as_ref().map(|trail| trail.directory().to_owned())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What a panic could interrupt is a push: the stream then lacks a segment, no more.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn new(options: &StreamOptions) -> Self {
        let first = options.first();
        Self {
            trail: None,
            first_init: first,
            begins_at: if first == 0 { MediaTime::ZERO } else { options.age.into() },
            segmenter: Segmenter::default(),
            store: Store::new(options.retention, options.memory, first.into()),
            inits: VecDeque::new(),
            base: None,
            newest: None,
            sent: None,
            sound: 0,
            bandwidth: 0,
            ended: false,
        }
    }

    /// Goes on where the daemon before was interrupted, as if its segments had been made here.
    fn go_on(&mut self, left: Left) {
        let Left { record: Record { entries, time, bandwidth, inits }, segments, inits: bytes } =
            left;
        for (entry, bytes) in entries.into_iter().zip(segments) {
            self.store.push(Segment { entry, bytes });
        }
        let Some(Segment { entry, .. }) = self.store.latest() else { return };
        self.first_init = entry.init;
        self.segmenter = Segmenter::after(entry.end().taken);
        (self.begins_at, self.base) = (time, Some(entry.place.taken));
        self.bandwidth = bandwidth;
        let inits = inits.into_iter().zip(bytes);
        self.inits = inits.map(|((number, info), bytes)| Init { number, info, bytes }).collect();
        // The next is due soon, and a list without it is of little use.
        self.newest = Some(Instant::now());
    }

    fn finish(&mut self, cut: Cut, audio: Audio) -> Result<(), mp4::Mp4Error> {
        let base = *self.base.get_or_insert(cut.start);
        let time = self.begins_at + cut.start.since(base);
        let end = time + cut.duration;
        if cut.discontinuity || self.store.latest().is_none() {
            self.sound = silence::frames_before(time.ticks());
        }
        let until = silence::frames_until(end.ticks());
        let sound = (audio == Audio::Silent).then_some(self.sound..until);
        let sequence = self.store.next();
        let bytes = mp4::segment(sequence, time, &cut.samples, sound)?;
        self.sound = until;
        let (place, wall, discontinuities) = match self.store.latest() {
            Some(Segment { entry: latest, .. }) => {
                let hole = cut.start.since(latest.end().taken);
                let (missing, wall) = if hole > HOLE {
                    (hole, wall_at(cut.start))
                } else {
                    // In one list dates go on as the stream does, also when the clock was set.
                    let passed = cut.start.since(latest.place.taken);
                    (MediaTime::ZERO, after(latest.wall, passed))
                };
                let place = Place { taken: cut.start, holes: latest.place.holes + missing };
                (place, wall, latest.discontinuities + u64::from(cut.discontinuity))
            }
            // Discontinuities count from the same number.
            None => {
                (Place { taken: cut.start, holes: MediaTime::ZERO }, wall_at(cut.start), sequence)
            }
        };
        self.newest = Some(Instant::now());
        // What an encoder left that failed says nothing of a second (RFC 8216, 4.1: what lasts at least half
        // of the target duration counts).
        if 2 * cut.duration.ticks() >= MediaTime::TICKS_PER_SECOND {
            let bit_rate = per_second(8 * bytes.len() as u64, cut.duration);
            self.bandwidth = self.bandwidth.max(bit_rate);
            let pictures = per_second(cut.samples.len() as u64, cut.duration);
            self.sent = Some(Sent {
                frame_rate: pictures.try_into().unwrap_or(u32::MAX),
                bit_rate: BitRate::from_bits(bit_rate),
            });
        }
        self.store.push(Segment {
            entry: Entry {
                sequence,
                place,
                duration: cut.duration,
                wall,
                discontinuities,
                init: self.first_init + cut.encoder,
            },
            bytes,
        });
        self.leave(time);
        let newest = self.inits.back().map(|init| init.number);
        let Self { inits, store, .. } = self;
        inits.retain(|init| Some(init.number) == newest || store.uses(init.number));
        Ok(())
    }

    /// Leaves the newest segments, the last of which begins at `time`, to the next daemon. A stream that
    /// cannot goes on without.
    fn leave(&mut self, time: MediaTime) {
        let Some(trail) = &mut self.trail else { return };
        let newest = self.store.newest();
        let (entries, segments): (Vec<_>, Vec<_>) =
            newest.map(|held| (held.entry.clone(), held.bytes.clone())).unzip();
        let is_used = |init: &&Init| entries.iter().any(|entry| entry.init == init.number);
        let (inits, bytes): (Vec<_>, Vec<_>) = self
            .inits
            .iter()
            .filter(is_used)
            .map(|init| ((init.number, init.info.clone()), init.bytes.clone()))
            .unzip();
        let record = Record { entries, time, bandwidth: self.bandwidth, inits };
        if let Err(error) = trail.keep(&Left { record, segments, inits: bytes }, MediaTime::now()) {
            tracing::warn!(%error, "a restart will interrupt players: segments cannot be kept");
        }
    }
}

fn after(wall: Timestamp, span: MediaTime) -> Timestamp {
    let span = SignedDuration::try_from(Duration::from(span)).unwrap_or(SignedDuration::ZERO);
    wall.checked_add(span).unwrap_or(wall)
}

/// What the wall clock says that it was then.
fn wall_at(then: MediaTime) -> Timestamp {
    let age = Duration::from(MediaTime::now().since(then));
    let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::ZERO);
    Timestamp::now().checked_sub(age).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn per_second(amount: u64, duration: MediaTime) -> u64 {
    let ticks = duration.ticks().max(1);
    (amount * MediaTime::TICKS_PER_SECOND + ticks / 2) / ticks
}

/// Somebody who reads the endless file.
struct Reader {
    stream: Arc<LiveStream>,
    progress: watch::Receiver<Option<u64>>,
    next: Option<u64>,
    /// What was sent last to set the decoder up.
    init: Option<Bytes>,
}

impl Reader {
    async fn read(&mut self) -> Option<Bytes> {
        self.stream.ready().await;
        if let Some(wanted) = self.next {
            // Ends as well when the stream is dropped.
            self.progress.wait_for(|next| next.is_none_or(|next| next > wanted)).await.ok()?;
        }
        let state = self.stream.lock();
        let segment = match self.next {
            Some(sequence) => state.store.get(sequence)?,
            None => state.store.latest()?,
        };
        let init = state.inits.iter().find(|init| init.number == segment.entry.init)?;
        self.next = Some(segment.entry.sequence + 1);
        if self.init.as_ref() == Some(&init.bytes) {
            return Some(segment.bytes.clone());
        }
        self.init = Some(init.bytes.clone());
        Some([&init.bytes[..], &segment.bytes[..]].concat().into())
    }
}

impl ports::Stream for LiveStream {
    fn begin(&self, info: StreamInfo) -> Result<(), String> {
        let mut state = self.lock();
        let bytes = mp4::init(&info, self.audio == Audio::Silent)
            .map_err(|error| format!("preparing the stream: {error}"))?;
        let number = state.first_init + state.segmenter.begin();
        // The cap, and boxes and sound around it. A second that has saved up may hold more, and is then told.
        let announced = info.bit_rate.bits_per_second() * 11 / 10 + 64_000;
        state.bandwidth = state.bandwidth.max(announced);
        state.inits.retain(|init| init.number != number);
        state.inits.push_back(Init { number, info, bytes });
        Ok(())
    }

    fn push(&self, packet: Packet) {
        let mut state = self.lock();
        let cut = state.segmenter.push(packet);
        self.publish(state, cut);
    }

    fn end_segment(&self, at: MediaTime) {
        let mut state = self.lock();
        let cut = state.segmenter.close(at);
        self.publish(state, cut);
    }

    fn published(&self) -> (u64, Option<Sent>) {
        let state = self.lock();
        (state.store.next() - self.first, state.sent)
    }

    fn close(&self, resumes: bool) {
        let mut state = self.lock();
        state.ended = !resumes;
        if !resumes
            && let Some(mut trail) = state.trail.take()
            && let Err(error) = trail.remove()
        {
            tracing::warn!(%error, "a stream is over, and its files are still there");
        }
        drop(state);
        self.progress.send_replace(None);
    }
}

impl fmt::Debug for LiveStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("LiveStream")
            .field("next", &state.store.next())
            .field("bytes", &state.store.bytes())
            .field("dropped", &state.segmenter.dropped())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
