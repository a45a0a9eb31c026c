//! How far a TV is behind: known as long as it plays.

use super::{facts::standby, *};

/// A cast whose TV has got all there is, and is 2.5 s behind.
fn playing() -> Rig {
    let mut rig = Rig::playing();
    let place = |taken| Some(Place { taken, holes: MediaTime::ZERO });
    let shown = MediaTime::from(Duration::from_secs_f64(rig.position + 2.5));
    rig.fetched.list = place(rig.time.since(shown));
    rig.fetched.end = place(rig.time + MediaTime::from(Duration::from_secs(3)));
    rig
}

#[test]
fn a_tv_that_plays_has_a_lag() {
    let mut rig = playing();
    assert_eq!(rig.lag(), None, "nothing is known of what it fetched");
    rig.run(3);
    assert_eq!(rig.lag(), Some(2.5));
    rig.playing = Some((PlayerState::Playing, false));
    rig.run(2);
    assert_eq!(rig.lag(), Some(4.5), "its picture stands still");
}

#[test]
fn a_tv_that_does_not_play_has_none() {
    let happenings: [fn(&mut Rig); 6] = [
        |rig| drop(rig.tv(ours(PlayerState::Paused))),
        |rig| drop(rig.tv(ours(PlayerState::Buffering))),
        |rig| drop(rig.tv(netflix())),
        |rig| drop(rig.tv(media("http://films.lan/a.mp4", PlayerState::Playing, 9.0))),
        |rig| drop(rig.tv(standby(true))),
        |rig| drop(rig.lose()),
    ];
    for (number, happens) in happenings.into_iter().enumerate() {
        let mut rig = playing();
        rig.run(1);
        assert_eq!(rig.lag(), Some(2.5));
        happens(&mut rig);
        assert_eq!(rig.lag(), None, "{number}: {}", rig.state());
    }
}
