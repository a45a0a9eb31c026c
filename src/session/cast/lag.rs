//! How far a TV is behind the page.

use std::{mem, time::Duration};

use serde::{Serialize, Serializer};

use super::stream::{Fetched, Place};
use crate::{
    media::MediaTime,
    session::tv::{MediaView, PlayerState},
};

/// How long ago what a TV shows was on the page, in tenths of a second: players are no more exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lag(u16);

impl Lag {
    /// A stream is not held for much longer, and no live player stays that far behind.
    const MOST: Duration = Duration::from_secs(60);

    /// `None` for what is absurd.
    pub fn of(span: Duration) -> Option<Self> {
        let tenths = (span + Duration::from_millis(50)).as_millis() / 100;
        let tenths = u16::try_from(tenths).ok()?;
        (span <= Self::MOST).then_some(Self(tenths))
    }

    pub fn seconds(self) -> f64 {
        f64::from(self.0) / 10.0
    }
}

impl Serialize for Lag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

/// Reads from a player's position which picture it shows.
///
/// A position is no time of the stream: hls.js and Shaka, which is in TVs, count from where the list
/// began that they got first, and no receiver says how it counts. So a position is believed only if it
/// began near the end of what the TV has fetched, and never was beyond.
#[derive(Debug, Default)]
pub(super) struct Playhead {
    list: Option<Place>,
    /// A first position has come since.
    began: bool,
    /// The player was where it cannot be: it counts in another way, until it begins anew.
    strayed: bool,
    lag: Option<Lag>,
}

/// Dates in playlists and positions are rounded.
const SLACK: MediaTime = MediaTime::from_ticks(MediaTime::TICKS_PER_SECOND / 4);
/// Players begin 2 s before the end of their list, and Shaka of old another second before that.
const NEAR: MediaTime = MediaTime::from_ticks(6 * MediaTime::TICKS_PER_SECOND);

impl Playhead {
    pub(super) const fn lag(&self) -> Option<Lag> {
        self.lag
    }

    /// What the player says of our stream; `None` when it has something else, or nothing.
    pub(super) fn report(&mut self, now: MediaTime, media: Option<&MediaView>, fetched: &Fetched) {
        if self.list != fetched.list {
            *self = Self { list: fetched.list, ..Self::default() };
        }
        let playing = media.filter(|media| media.state == PlayerState::Playing);
        self.lag = playing.and_then(|media| self.look(now, media.position, fetched));
    }

    fn look(&mut self, now: MediaTime, position: f64, fetched: &Fetched) -> Option<Lag> {
        // Many a player says 0 as long as it does not know.
        if !(position > 0.0 && position < f64::from(u32::MAX)) {
            return None;
        }
        let (list, end) = (fetched.list?, fetched.end?);
        let taken = list.taken + Duration::from_secs_f64(position).into();
        let is_near = mem::replace(&mut self.began, true) || taken + NEAR >= end.taken;
        self.strayed |= !is_near || taken > end.taken + SLACK;
        // Some count such holes, others leave them out. It is one that counts them if another would
        // show by now what it has not got.
        let holes = end.holes.since(list.holes);
        let skips = holes > MediaTime::ZERO && taken + holes <= end.taken + SLACK;
        if self.strayed || skips || taken > now {
            return None;
        }
        Lag::of(now.since(taken).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(tenths: u64) -> MediaTime {
        MediaTime::from_ticks(tenths * MediaTime::TICKS_PER_SECOND / 10)
    }

    const fn place(tenths: u64, holes: u64) -> Place {
        Place { taken: at(tenths), holes: at(holes) }
    }

    /// A TV that began with a list from 100 s on, and has got the stream up to `end`.
    fn fetched(end: Place) -> Fetched {
        Fetched { list: Some(place(1000, 0)), end: Some(end), ..Fetched::default() }
    }

    fn playing(position: f64) -> MediaView {
        MediaView { content: None, state: PlayerState::Playing, position }
    }

    /// What is known when this is said at 123 s.
    fn lag(playhead: &mut Playhead, position: f64, fetched: &Fetched) -> Option<f64> {
        playhead.report(at(1230), Some(&playing(position)), fetched);
        playhead.lag().map(Lag::seconds)
    }

    #[test]
    fn a_position_counts_from_the_list_that_came_first() {
        let (mut playhead, fetched) = (Playhead::default(), fetched(place(1230, 0)));
        assert_eq!(lag(&mut playhead, 20.66, &fetched), Some(2.3));
        assert_eq!(lag(&mut playhead, 20.64, &fetched), Some(2.4));
        let paused = MediaView { state: PlayerState::Paused, ..playing(20.6) };
        for other in [Some(&paused), None] {
            playhead.report(at(1230), other, &fetched);
            assert_eq!(playhead.lag(), None);
        }
        assert_eq!(lag(&mut playhead, 20.66, &Fetched::default()), None, "before the first list");
    }

    #[test]
    fn what_a_tv_cannot_show_is_not_believed_until_it_begins_anew() {
        for position in [0.1, 16.9, 23.4, 123.0, 1.7e9] {
            let (mut playhead, fetched) = (Playhead::default(), fetched(place(1230, 0)));
            assert_eq!(lag(&mut playhead, position, &fetched), None, "{position}");
            assert_eq!(lag(&mut playhead, 20.66, &fetched), None, "{position}");
            let anew = Fetched { list: Some(place(1001, 0)), ..fetched };
            assert_eq!(lag(&mut playhead, 20.5, &anew), Some(2.4));
        }
    }

    #[test]
    fn what_is_no_position_does_no_harm() {
        let (mut playhead, fetched) = (Playhead::default(), fetched(place(1230, 0)));
        for position in [0.0, -1.0, 1e300, f64::NAN, f64::INFINITY] {
            assert_eq!(lag(&mut playhead, position, &fetched), None);
        }
        assert_eq!(lag(&mut playhead, 20.66, &fetched), Some(2.3));
    }

    #[test]
    fn a_tv_may_fall_behind() {
        let mut playhead = Playhead::default();
        assert_eq!(lag(&mut playhead, 20.66, &fetched(place(1230, 0))), Some(2.3));
        assert_eq!(lag(&mut playhead, 10.66, &fetched(place(1230, 0))), Some(12.3));
    }

    #[test]
    fn a_player_that_may_leave_holes_out_is_where_nobody_knows() {
        let mut playhead = Playhead::default();
        assert_eq!(lag(&mut playhead, 20.66, &fetched(place(1230, 15))), None);
        assert_eq!(lag(&mut playhead, 20.66, &fetched(place(1215, 15))), Some(2.3));
        assert_eq!(lag(&mut playhead, 20.66, &fetched(place(1230, 40))), Some(2.3));
        assert_eq!(lag(&mut playhead, 16.66, &fetched(place(1230, 40))), None);
    }

    #[test]
    fn a_lag_is_of_a_minute_at_most_and_of_tenths() {
        let lag = |millis| Lag::of(Duration::from_millis(millis)).map(Lag::seconds);
        assert_eq!([lag(0), lag(2_349), lag(2_350)], [Some(0.0), Some(2.3), Some(2.4)]);
        assert_eq!([lag(60_000), lag(60_001)], [Some(60.0), None]);
        assert_eq!(serde_json::to_value(Lag(23)).unwrap(), 2.3);
    }
}
