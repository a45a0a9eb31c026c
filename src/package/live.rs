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
    /// Where its newest segments are kept as files, for the daemon that goes on with it. What one before
    /// left there is gone on with.
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
        let mut state = State::new(&options);
        let trail = options.trail.map(|directory| Trail::open(directory, MediaTime::now()));
        if let Some((trail, left)) = trail.and_then(told) {
            state.trail = Some(trail);
            if let Some(left) = left {
                state.go_on(left);
            }
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
            anchor: None,
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
        self.sound = until;
        // Discontinuities count from the same number.
        let (mut holes, mut discontinuities) = (MediaTime::ZERO, sequence);
        if let Some(Segment { entry: latest, .. }) = self.store.latest() {
            let hole = cut.start.since(latest.end().taken);
            holes = latest.place.holes + if hole > HOLE { hole } else { MediaTime::ZERO };
            discontinuities = latest.discontinuities + u64::from(cut.discontinuity);
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
                place: Place { taken: cut.start, holes },
                duration: cut.duration,
                wall,
                discontinuities,
                init: self.first_init + cut.encoder,
            },
            bytes: bytes.clone(),
        });
        self.leave(time, &bytes);
        let newest = self.inits.back().map(|init| init.number);
        let Self { inits, store, .. } = self;
        inits.retain(|init| Some(init.number) == newest || store.uses(init.number));
        Ok(())
    }

    /// Leaves the newest segment, which begins at `time`, to the next daemon.
    fn leave(&mut self, time: MediaTime, newest: &[u8]) {
        let Some(trail) = &mut self.trail else { return };
        let entries: Vec<_> = self.store.newest().cloned().collect();
        let is_used = |init: &&Init| entries.iter().any(|entry| entry.init == init.number);
        let inits = self.inits.iter().filter(is_used);
        let inits = inits.map(|init| (init.number, init.info.clone())).collect();
        let record = Record { entries, time, bandwidth: self.bandwidth, inits };
        let outcome = trail.keep(&record, newest);
        self.unless_left(outcome);
    }

    /// A stream that cannot leave a trail goes on without one. Whoever found an old one would count
    /// segments again that have been seen.
    fn unless_left(&mut self, outcome: io::Result<()>) {
        if told(outcome).is_none()
            && let Some(trail) = self.trail.take()
        {
            told(trail.remove());
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
        if let Some(trail) = &mut state.trail {
            let outcome = trail.keep_init(number, &bytes);
            state.unless_left(outcome);
        }
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
    use std::fs;

    use futures_util::{StreamExt, future::join};
    use tempfile::TempDir;
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
        assert_eq!(waited().await, Duration::from_millis(400), "one that is late");
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

    /// Daemons that go on with one another's stream.
    struct Daemons {
        directory: TempDir,
        /// From there seconds are counted.
        began: MediaTime,
    }

    impl Daemons {
        fn new() -> Self {
            let began = MediaTime::now().since(Duration::from_secs(25).into());
            Self { directory: tempfile::tempdir().unwrap(), began }
        }

        /// The next one. Nobody closes the stream of the one before, as when it was killed.
        fn next(&self) -> Arc<LiveStream> {
            Arc::new(LiveStream::new(StreamOptions {
                audio: Audio::Silent,
                retention: Duration::from_secs(60),
                memory: 64 << 20,
                age: Duration::from_secs(100),
                trail: Some(self.directory.path().join("stream")),
            }))
        }

        fn second(&self, stream: &LiveStream, n: u64) {
            let at = |n| self.began + Duration::from_secs(n).into();
            let data = vec![0, 0, 0, 1, 0x65, 0x88, 1, 2, 3].into();
            stream.push(Packet { time: at(n), idr: true, data });
            stream.end_segment(at(n + 1));
        }

        /// That of the first one, with another encoder in the middle.
        fn first(&self) -> Arc<LiveStream> {
            let stream = self.next();
            for n in 0..20 {
                if n % 15 == 0 {
                    stream.begin(info(41)).unwrap();
                }
                self.second(&stream, n);
            }
            stream
        }
    }

    #[track_caller]
    fn check_same(one: &LiveStream, other: &LiveStream, entries: &[Entry]) {
        for entry in entries {
            assert_eq!(one.entry(entry.sequence).as_ref(), Some(entry));
            assert_eq!(one.segment(entry.sequence), other.segment(entry.sequence));
            assert!(one.segment(entry.sequence).is_some() && one.init(entry.init).is_some());
            assert_eq!(one.init(entry.init), other.init(entry.init));
        }
    }

    #[tokio::test]
    async fn a_stream_that_left_a_trail_goes_on_as_if_nothing_had_been() {
        let daemons = Daemons::new();
        let before = daemons.first();
        let stream = daemons.next();
        // At once, and what was said before.
        stream.ready().await;
        stream.fresh().await;
        assert_eq!(stream.media_playlist(), before.media_playlist());
        assert_eq!(stream.master_playlist(), before.master_playlist());
        let old = before.list().unwrap().entries;
        assert_eq!((old.len(), old[0].discontinuities, old[11].discontinuities), (12, 202, 203));
        check_same(&stream, &before, &old);
        assert_eq!(stream.published(), (0, None), "none is its own");
        let mut reader = Box::pin(stream.progressive());
        let newest = [before.init(old[11].init), before.segment(old[11].sequence)];
        assert_eq!(reader.next().await.unwrap(), newest.map(Option::unwrap).concat());

        stream.begin(info(40)).unwrap();
        daemons.second(&stream, 23);
        let list = stream.list().unwrap().entries;
        let [next] = &list[..] else { panic!("{list:?}") };
        assert_eq!((next.sequence, next.init), (old[11].sequence + 1, old[11].init + 1));
        assert_eq!((next.discontinuities, stream.published().0), (204, 1));
        assert_eq!(next.place.holes, Duration::from_secs(3).into());
        let own = [stream.init(next.init), stream.segment(next.sequence)].map(Option::unwrap);
        assert_eq!(reader.next().await.unwrap(), own.concat());
        let [master, media] = [stream.master_playlist(), stream.media_playlist()];
        assert!(master.as_ref().unwrap().contains("avc1.640028"), "{master:?}");
        assert!(media.as_ref().unwrap().contains("DISCONTINUITY-SEQUENCE:204\n"), "{media:?}");

        // And again, while players may still want what the first one announced.
        let third = daemons.next();
        assert_eq!([third.master_playlist(), third.media_playlist()], [master, media]);
        check_same(&third, &before, &old[1..]);
        check_same(&third, &stream, &list);
        third.begin(info(40)).unwrap();
        daemons.second(&third, 24);
        let list = third.list().unwrap().entries;
        assert_eq!(list.iter().map(|entry| entry.discontinuities).collect::<Vec<_>>(), [204, 205]);
        third.close(false);
        assert!(!daemons.directory.path().join("stream").exists());
    }

    #[test]
    fn a_trail_that_breaks_off_is_removed_and_the_next_daemon_counts_by_age() {
        let daemons = Daemons::new();
        let stream = daemons.first();
        let path = daemons.directory.path().join("stream");
        fs::create_dir(path.join("new")).unwrap();
        daemons.second(&stream, 20);
        assert_eq!(stream.list().unwrap().entries.len(), 12, "it goes on by itself");
        assert!(!path.exists());
        let next = daemons.next();
        assert_eq!(next.media_playlist(), None);
        next.begin(info(41)).unwrap();
        daemons.second(&next, 23);
        assert_eq!(next.list().unwrap().entries[0].sequence, 202);
    }

    #[test]
    fn a_list_begins_after_a_hole_that_players_would_notice() {
        let stream = live();
        let half = |n| MediaTime::from_ticks(n * MediaTime::TICKS_PER_SECOND / 2);
        let push = |from, to| {
            let data = vec![0, 0, 0, 1, 0x65, 0x88, 1, 2, 3].into();
            stream.push(Packet { time: half(from), idr: true, data });
            stream.end_segment(half(to));
        };
        let listed = || -> Vec<u64> {
            stream.list().unwrap().entries.iter().map(|entry| entry.sequence).collect()
        };
        push(10, 12);
        push(13, 15);
        assert_eq!(listed(), [0, 1]);
        push(17, 19);
        push(19, 21);
        assert_eq!(listed(), [2, 3]);
        assert!(stream.segment(0).is_some(), "who was told of it gets it");
        assert!(stream.media_playlist().unwrap().contains("DISCONTINUITY-SEQUENCE:2\n"));
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
