//! A stream by itself, and as daemons hand it on.

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
        Arc::new(LiveStream::new(self.options()))
    }

    fn options(&self) -> StreamOptions {
        StreamOptions {
            audio: Audio::Silent,
            retention: Duration::from_secs(60),
            memory: 64 << 20,
            age: Duration::from_secs(100),
            trail: Some(self.trail()),
        }
    }

    fn trail(&self) -> PathBuf {
        self.directory.path().join("stream")
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
    assert!(!daemons.trail().exists());
}

#[test]
fn a_trail_that_breaks_off_is_removed_and_the_next_daemon_counts_by_age() {
    let daemons = Daemons::new();
    let stream = daemons.first();
    let path = daemons.trail();
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
fn a_trail_that_begins_late_has_all_that_is_listed() {
    let daemons = Daemons::new();
    let before = LiveStream::new(StreamOptions { trail: None, ..daemons.options() });
    before.begin(info(41)).unwrap();
    (0..15).for_each(|n| daemons.second(&before, n));
    assert_eq!(daemons.next().media_playlist(), None);
    before.leave_trail(daemons.trail());
    daemons.second(&before, 15);
    let next = daemons.next();
    assert_eq!(next.media_playlist(), before.media_playlist());
    check_same(&next, &before, &before.list().unwrap().entries);
}

#[test]
fn dates_go_on_as_the_stream_does() {
    let stream = live();
    (0..5).for_each(|n| second(&stream, n));
    stream.begin(info(40)).unwrap();
    (5..9).for_each(|n| second(&stream, n));
    let list = stream.list().unwrap().entries;
    assert_eq!(list.len(), 9);
    for pair in list.windows(2) {
        assert_eq!(pair[1].wall.duration_since(pair[0].wall), SignedDuration::from_secs(1));
    }
}

#[test]
fn a_piece_of_a_second_says_nothing_of_the_bit_rate() {
    let stream = live();
    second(&stream, 0);
    let (master, sent) = (stream.master_playlist(), stream.published().1);
    let at = |ticks: u64| MediaTime::from_ticks(90_000 + 1_234 + ticks);
    let mut data = vec![0, 0, 0, 1, 0x65];
    data.resize(300_000, 0x88);
    stream.push(Packet { time: at(0), idr: true, data: data.into() });
    stream.end_segment(at(3_000));
    assert_eq!((stream.master_playlist(), stream.published()), (master, (2, sent)));
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
