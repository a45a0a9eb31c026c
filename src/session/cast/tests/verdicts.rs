//! The right verdict within 5 s of each fact.

use super::*;

/// What is said 5 s after something happened to a cast that plays.
fn after(happens: impl FnOnce(&mut Rig)) -> String {
    let mut rig = Rig::playing();
    happens(&mut rig);
    rig.run(5);
    rig.verdict()
}

#[test]
fn each_link_is_named_within_five_seconds() {
    let why = || "so it is".to_owned();
    assert_eq!(after(|_| {}), "confirmed");
    let page = |rig: &mut Rig| drop(rig.send(Event::Page(Part::Broken(why()))));
    assert_eq!(after(page), "broken(page)");
    let encoder = |rig: &mut Rig| {
        rig.flows = false;
        rig.send(Event::Encoder(Part::Broken(why())));
    };
    assert_eq!(after(encoder), "broken(encoder)");
    assert_eq!(after(|rig| rig.flows = false), "broken(stream)");
    assert_eq!(after(|rig| rig.fetches = false), "broken(network)");
    let lost = |rig: &mut Rig| drop(rig.lose());
    assert_eq!(after(lost), "broken(tv)");
    let stands = |rig: &mut Rig| rig.playing = Some((PlayerState::Playing, false));
    assert_eq!(after(stands), "broken(player)");
    let buffers = |rig: &mut Rig| rig.playing = Some((PlayerState::Buffering, false));
    assert_eq!(after(buffers), "broken(player)");
    let taken = |rig: &mut Rig| drop(rig.tv_stops(netflix()));
    assert_eq!(after(taken), "taken-over");
    let stopped = |rig: &mut Rig| drop(rig.tv_stops(ended(IdleReason::Cancelled)));
    assert_eq!(after(stopped), "taken-over");
}

#[test]
fn the_first_broken_link_is_the_one_that_is_named() {
    let mut rig = Rig::playing();
    rig.fetches = false;
    rig.flows = false;
    for _ in 0..20 {
        rig.run(1);
        assert_ne!(rig.verdict(), "broken(network)", "there is nothing to fetch");
    }
    rig.send(Event::Encoder(Part::Broken("it was killed".to_owned())));
    assert_eq!(rig.verdict(), "broken(encoder)");
    rig.send(Event::Page(Part::Broken("HTTP status 502".to_owned())));
    assert_eq!(rig.verdict(), "broken(page)");
    assert_eq!(rig.cast.view().verdict.why, "HTTP status 502");
}

#[test]
fn a_tv_is_not_blamed_while_there_is_nothing_new_after_a_restart() {
    let memory = Memory { had_screen: true, ..Memory::default() };
    let mut rig = Rig::new(Wanted { memory, ..wanted() });
    rig.send(Event::Start);
    rig.connect();
    rig.tv(player());
    rig.tv(ours(PlayerState::Playing));
    rig.playing = Some((PlayerState::Buffering, false));
    for _ in 0..10 {
        rig.run(1);
        assert_eq!((rig.state(), rig.verdict().as_str()), ("playing", "unknown"));
    }
    rig.send(Event::Page(Part::Works));
    rig.send(Event::Encoder(Part::Works));
    rig.flows = true;
    rig.run(2);
    assert_eq!(rig.verdict(), "unknown", "it has had no time for that");
    rig.run(4);
    assert_eq!(rig.verdict(), "broken(network)");
    rig.play();
    rig.run(2);
    assert_eq!(rig.verdict(), "confirmed");
}

#[test]
fn a_page_or_an_encoder_that_begins_again_is_broken_until_it_is_there() {
    let mut rig = Rig::playing();
    rig.send(Event::Page(Part::Starting));
    assert_eq!(rig.verdict(), "broken(page)");
    rig.send(Event::Page(Part::Works));
    rig.send(Event::Encoder(Part::Starting));
    assert_eq!(rig.verdict(), "broken(encoder)");
    rig.send(Event::Encoder(Part::Works));
    assert_eq!(rig.verdict(), "confirmed");
}

#[test]
fn the_beginning_is_unknown_and_not_broken() {
    let mut rig = Rig::new(wanted());
    rig.send(Event::Start);
    assert_eq!(rig.verdict(), "unknown");
    rig.connect();
    rig.tv(idle_screen());
    rig.send(Event::Encoder(Part::Works));
    assert_eq!(rig.verdict(), "unknown");
    rig.send(Event::Page(Part::Works));
    rig.run(2);
    assert_eq!(rig.verdict(), "unknown");
    rig.run(2);
    assert_eq!(rig.verdict(), "broken(stream)", "an encoder that runs gives segments");
}

#[test]
fn a_slow_reporter_is_no_broken_player() {
    let mut rig = Rig::playing();
    rig.playing = None;
    for second in 1..10_u32 {
        rig.run(5);
        rig.tv(media(STREAM, PlayerState::Playing, 500.0 + f64::from(second)));
        assert_eq!(rig.verdict(), "confirmed");
    }
}

#[test]
fn since_stays_while_the_answer_does() {
    let mut rig = Rig::playing();
    let first = rig.cast.view().verdict;
    rig.run(60);
    assert_eq!(rig.cast.view().verdict, first);
    rig.fetches = false;
    rig.run(5);
    let broken = rig.cast.view().verdict;
    assert!(broken.since > first.since);
    rig.run(3);
    assert_eq!(rig.cast.view().verdict.since, broken.since);
    assert_eq!(rig.cast.timeline().filter(|e| e.detail.starts_with("broken(network)")).count(), 1);
}
