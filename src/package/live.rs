//! One stream, as its session fills it and as players read it.

use std::{
    collections::VecDeque,
    fmt, io,
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
    trail::Trail,
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
    /// How long ago the stream's time began. One that goes on where a daemon before left it counts on
    /// above all that it can have counted to, so that players see it go on and not begin again.
    pub age: Duration,
    /// Where its newest segments are kept as files, for the daemon that goes on with it.
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
/// Until then, since the newest came.
const LATE: Duration = Duration::from_millis(1500);

/// A live stream.
///
/// Readers never hold it up: they share finished bytes, and one that falls behind what is held is
/// cut off.
pub struct LiveStream {
    audio: Audio,
    /// The first segment's number.
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
    /// What is missing up to now, in holes of more than a second.
    holes: MediaTime,
    /// When the newest segment came, and what it has.
    newest: Option<Instant>,
    sent: Option<Sent>,
    /// A media time and what the wall clock said, since the last discontinuity.
    anchor: Option<(MediaTime, Timestamp)>,
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
        let first = options.first();
        let begins_at = if first == 0 { MediaTime::ZERO } else { options.age.into() };
        Self {
            audio: options.audio,
            first: first.into(),
            state: Mutex::new(State {
                trail: options.trail.and_then(|directory| told(Trail::open(directory))),
                first_init: first,
                begins_at,
                segmenter: Segmenter::default(),
                store: Store::new(options.retention, options.memory, first.into()),
                inits: VecDeque::new(),
                base: None,
                holes: MediaTime::ZERO,
                newest: None,
                sent: None,
                anchor: None,
                sound: 0,
                bandwidth: 0,
                ended: false,
            }),
            progress: watch::channel(Some(first.into())).0,
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
        match held {
            Some(init) => Some(init.bytes.clone()),
            None => state.trail.as_ref()?.init(number),
        }
    }

    pub fn segment(&self, sequence: u64) -> Option<Bytes> {
        let state = self.lock();
        match state.store.get(sequence) {
            Some(segment) => Some(segment.bytes.clone()),
            // Announced by the daemon before this one.
            None if sequence < self.first => state.trail.as_ref()?.segment(sequence),
            None => None,
        }
    }

    /// What is known of a segment that is held.
    pub(super) fn entry(&self, sequence: u64) -> Option<Entry> {
        Some(self.lock().store.get(sequence)?.entry.clone())
    }

    /// Comes back when there is a first segment, or when none will ever be.
    pub async fn ready(&self) {
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
    fn finish(&mut self, cut: Cut, audio: Audio) -> Result<(), mp4::Mp4Error> {
        let base = *self.base.get_or_insert(cut.start);
        let time = self.begins_at + cut.start.since(base);
        let end = time + cut.duration;
        if cut.discontinuity || self.anchor.is_none() {
            // The wall clock may have been set meanwhile.
            let age = MediaTime::now().since(cut.start);
            self.anchor = Some((cut.start, before(Timestamp::now(), age)));
            self.sound = silence::frames_before(time.ticks());
        }
        let wall = self
            .anchor
            .map_or(Timestamp::UNIX_EPOCH, |(at, wall)| after(wall, cut.start.since(at)));
        let until = silence::frames_until(end.ticks());
        let sound = (audio == Audio::Silent).then_some(self.sound..until);
        let sequence = self.store.next();
        let bytes = mp4::segment(sequence, time, &cut.samples, sound)?;
        self.leave(|trail| trail.keep_segment(sequence, &bytes));
        self.sound = until;
        if let Some(latest) = self.store.latest() {
            let hole = cut.start.since(latest.entry.end().taken);
            if hole > MediaTime::SECOND {
                self.holes = self.holes + hole;
            }
        }
        let bit_rate = per_second(8 * bytes.len() as u64, cut.duration);
        self.bandwidth = self.bandwidth.max(bit_rate);
        self.newest = Some(Instant::now());
        let pictures = per_second(cut.samples.len() as u64, cut.duration);
        self.sent = Some(Sent {
            frame_rate: pictures.try_into().unwrap_or(u32::MAX),
            bit_rate: BitRate::from_bits(bit_rate),
        });
        self.store.push(Segment {
            entry: Entry {
                sequence,
                place: Place { taken: cut.start, holes: self.holes },
                duration: cut.duration,
                wall,
                discontinuity: cut.discontinuity,
                init: self.first_init + cut.encoder,
            },
            bytes,
        });
        let newest = self.inits.back().map(|init| init.number);
        let Self { inits, store, .. } = self;
        inits.retain(|init| Some(init.number) == newest || store.uses(init.number));
        Ok(())
    }
}

impl State {
    /// A stream that cannot leave a trail goes on without one.
    fn leave(&mut self, keep: impl FnOnce(&mut Trail) -> io::Result<()>) {
        if let Some(trail) = &mut self.trail
            && told(keep(trail)).is_none()
        {
            self.trail = None;
        }
    }
}

fn told<T>(outcome: io::Result<T>) -> Option<T> {
    outcome
        .inspect_err(|error| {
            tracing::warn!(%error, "a restart will interrupt players: segments cannot be kept");
        })
        .ok()
}

fn after(wall: Timestamp, span: MediaTime) -> Timestamp {
    let span = SignedDuration::try_from(Duration::from(span)).unwrap_or(SignedDuration::ZERO);
    wall.checked_add(span).unwrap_or(wall)
}

fn before(wall: Timestamp, span: MediaTime) -> Timestamp {
    let span = SignedDuration::try_from(Duration::from(span)).unwrap_or(SignedDuration::ZERO);
    wall.checked_sub(span).unwrap_or(wall)
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
        let wanted = self.next.unwrap_or(self.stream.first);
        // Ends as well when the stream is dropped.
        self.progress.wait_for(|next| next.is_none_or(|next| next > wanted)).await.ok()?;
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
        state.leave(|trail| trail.keep_init(number, &bytes));
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
        if !resumes && let Some(trail) = state.trail.take() {
            told(trail.remove());
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
mod tests {
    use futures_util::{StreamExt, future::join};
    use tokio::time::sleep;

    use super::*;
    use crate::{
        session::ports::Stream,
        units::{BitRate, FrameRate, Size},
    };

    fn info(level: u8) -> StreamInfo {
        StreamInfo {
            encoder: "libx264".to_owned(),
            size: Size::new(1280, 720),
            frame_rate: FrameRate::DEFAULT,
            bit_rate: BitRate::from_kbit(2500),
            sps: vec![0x67, 0x64, 0, level, 0xac].into(),
            pps: vec![0x68, 0xee].into(),
        }
    }

    fn live() -> Arc<LiveStream> {
        live_since(Duration::ZERO)
    }

    fn live_since(age: Duration) -> Arc<LiveStream> {
        let (retention, memory) = (Duration::from_secs(60), 64 << 20);
        let options = StreamOptions { audio: Audio::Silent, retention, memory, age, trail: None };
        let stream = Arc::new(LiveStream::new(options));
        stream.begin(info(41)).unwrap();
        stream
    }

    fn second(stream: &LiveStream, n: u64) {
        let at = |n| MediaTime::from_ticks(n * 90_000 + 1_234);
        let data = vec![0, 0, 0, 1, 0x65, 0x88, 1, 2, 3].into();
        stream.push(Packet { time: at(n), idr: true, data });
        stream.end_segment(at(n + 1));
    }

    #[tokio::test]
    async fn playlists_are_there_with_the_first_segment() {
        let stream = live();
        assert_eq!((stream.master_playlist(), stream.media_playlist()), (None, None));
        second(&stream, 0);
        stream.ready().await;
        let master = stream.master_playlist().unwrap();
        assert!(master.contains("CODECS=\"avc1.640029,mp4a.40.2\""), "{master}");
        let media = stream.media_playlist().unwrap();
        assert!(media.contains("#EXTINF:1.000000,\n0.m4s\n"), "{media}");
        assert!(stream.segment(0).is_some() && stream.init(0).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_playlist_comes_with_the_segment_that_is_due() {
        let stream = live();
        let waited = async || {
            let asked = Instant::now();
            stream.fresh().await;
            asked.elapsed()
        };
        assert_eq!(waited().await, Duration::ZERO, "the first is waited for elsewhere");
        second(&stream, 0);
        sleep(Duration::from_millis(400)).await;
        assert_eq!(waited().await, Duration::ZERO);
        sleep(Duration::from_millis(200)).await;
        let next = async {
            sleep(Duration::from_millis(300)).await;
            second(&stream, 1);
        };
        assert_eq!(join(waited(), next).await.0, Duration::from_millis(300));
        sleep(Duration::from_secs(1)).await;
        assert_eq!(waited().await, Duration::from_millis(500), "one that is late");
        assert_eq!(waited().await, Duration::ZERO, "one that does not come");
        second(&stream, 2);
        stream.close(false);
        sleep(Duration::from_millis(900)).await;
        assert_eq!(waited().await, Duration::ZERO, "the stream is over");
    }

    #[tokio::test]
    async fn an_endless_reader_gets_init_and_then_every_segment() {
        let stream = live();
        second(&stream, 0);
        second(&stream, 1);
        let mut reader = Box::pin(stream.progressive());
        let first = reader.next().await.unwrap();
        let init = stream.init(0).unwrap();
        assert_eq!(first, [&init[..], &stream.segment(1).unwrap()[..]].concat());
        second(&stream, 2);
        assert_eq!(reader.next().await, stream.segment(2));
        stream.begin(info(40)).unwrap();
        second(&stream, 3);
        assert!(reader.next().await.unwrap().starts_with(&stream.init(1).unwrap()));
        stream.close(false);
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn a_reader_that_falls_behind_is_cut_off() {
        let stream = live();
        second(&stream, 0);
        let mut reader = Box::pin(stream.progressive());
        reader.next().await.unwrap();
        for n in 1..100 {
            second(&stream, n);
        }
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn waiting_for_a_stream_that_never_starts_ends_with_it() {
        let stream = live();
        stream.close(false);
        stream.ready().await;
        assert_eq!(stream.master_playlist(), None);
    }

    #[tokio::test]
    async fn a_stream_that_goes_on_counts_on() {
        let stream = live_since(Duration::from_secs(100));
        assert_eq!(stream.media_playlist(), None);
        second(&stream, 0);
        stream.ready().await;
        let media = stream.media_playlist().unwrap();
        for line in [
            "#EXT-X-MEDIA-SEQUENCE:202",
            "#EXT-X-DISCONTINUITY-SEQUENCE:202",
            "#EXT-X-MAP:URI=\"init-202.mp4\"",
            "202.m4s",
        ] {
            assert!(media.lines().any(|own| own == line), "{line}: {media}");
        }
        assert!(stream.init(202).is_some() && stream.segment(202).is_some());
        assert_eq!(stream.published().0, 1);
        let mut reader = Box::pin(stream.progressive());
        assert!(reader.next().await.unwrap().starts_with(&stream.init(202).unwrap()));
        stream.close(true);
        assert!(!stream.media_playlist().unwrap().contains("ENDLIST"));
        assert_eq!(reader.next().await, None);
    }

    #[test]
    fn an_encoder_that_made_nothing_leaves_no_trace() {
        let stream = live();
        stream.begin(info(40)).unwrap();
        second(&stream, 0);
        let media = stream.media_playlist().unwrap();
        assert!(media.contains("init-0.mp4"), "{media}");
        assert!(stream.master_playlist().unwrap().contains("avc1.640028"));
    }

    #[test]
    fn init_segments_go_with_the_last_segment_that_needs_them() {
        let stream = live();
        second(&stream, 0);
        stream.begin(info(41)).unwrap();
        second(&stream, 1);
        assert!(stream.init(0).is_some());
        for n in 2..100 {
            second(&stream, n);
        }
        assert!(stream.init(0).is_none() && stream.init(1).is_some());
        assert!(stream.media_playlist().unwrap().contains("DISCONTINUITY-SEQUENCE:1\n"));
    }
}
