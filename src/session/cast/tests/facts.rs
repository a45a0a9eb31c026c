//! Each way in which a TV can stop showing us, and what is made of it.

use super::*;

#[test]
fn another_app_is_a_person_who_wants_something_else() {
    let mut rig = Rig::playing();
    assert_eq!(told(&rig.tv_stops(netflix())), []);
    assert_eq!((rig.state(), rig.verdict().as_str()), ("yielded", "taken-over"));
    assert_eq!(rig.cast.view().state.detail.as_deref(), Some("Netflix"));
    assert_eq!(told(&rig.run(3600)), []);
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(3600)), [], "nobody asked us to come back");
}

#[test]
fn the_screen_is_taken_back_when_it_was_idle_for_as_long_as_was_asked_for() {
    let mut rig = Rig::playing_as(resuming_after(60));
    rig.tv_stops(netflix());
    rig.run(600);
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(59)), []);
    rig.tv(netflix());
    rig.run(30);
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(59)), [], "idle time starts again");
    assert_eq!(told(&rig.run(1)), [TvCommand::Launch]);
}

#[test]
fn another_senders_media_in_the_same_player_is_a_takeover() {
    let mut rig = Rig::playing();
    assert_eq!(told(&rig.tv_stops(ended(IdleReason::Interrupted))), []);
    assert_eq!(told(&rig.run(2)), [], "what interrupted us shows soon");
    rig.tv(media("http://films.lan/a.mp4", PlayerState::Buffering, 0.0));
    assert_eq!((rig.state(), rig.verdict().as_str()), ("yielded", "taken-over"));
    assert_eq!(told(&rig.run(600)), []);
}

#[test]
fn an_interruption_by_nothing_is_mended() {
    let mut rig = Rig::playing();
    rig.tv_stops(ended(IdleReason::Interrupted));
    assert_eq!(told(&rig.run(5)), [load(true)]);
}

#[test]
fn a_persons_stop_is_obeyed() {
    let mut rig = Rig::playing();
    let effects = rig.tv_stops(ended(IdleReason::Cancelled));
    assert_eq!(told(&effects), []);
    assert!(matches!(remembered(&effects).unwrap().hold, Some(Hold::Stopped(_))));
    assert_eq!((rig.state(), rig.verdict().as_str()), ("stood-down", "taken-over"));
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(3600)), []);
}

#[test]
fn a_persons_stop_is_obeyed_while_the_player_begins_and_when_it_is_said_late() {
    let mut rig = Rig::loading(wanted());
    rig.tv(ours(PlayerState::Buffering));
    rig.tv(ended(IdleReason::Cancelled));
    assert_eq!(rig.state(), "stood-down");
    let mut rig = Rig::playing();
    rig.tv_stops(idle_screen());
    rig.tv(ended(IdleReason::Cancelled));
    assert_eq!(rig.state(), "stood-down");
    assert_eq!(told(&rig.run(600)), []);
}

#[test]
fn after_a_persons_stop_resume_after_brings_us_back() {
    let mut rig = Rig::playing_as(resuming_after(30));
    rig.tv_stops(ended(IdleReason::Cancelled));
    rig.tv(TvEvent::Media(None));
    assert_eq!(told(&rig.run(29)), []);
    assert_eq!(told(&rig.run(1)), [load(true)]);
}

#[test]
fn a_pause_is_obeyed_and_its_end_leads_to_the_live_edge() {
    let mut rig = Rig::playing();
    assert_eq!(told(&rig.tv_stops(ours(PlayerState::Paused))), []);
    assert_eq!((rig.state(), rig.verdict().as_str()), ("paused", "taken-over"));
    assert_eq!(told(&rig.run(600)), []);
    assert_eq!(told(&rig.tv(ours(PlayerState::Playing))), [load(true)]);
    rig.play();
    rig.run(5);
    assert_eq!((rig.state(), rig.verdict().as_str()), ("playing", "confirmed"));
}

#[test]
fn a_pause_that_the_tv_ended_stays_a_persons_wish() {
    let mut rig = Rig::playing();
    rig.tv_stops(ours(PlayerState::Paused));
    rig.run(1200);
    assert_eq!(told(&rig.tv(idle_screen())), []);
    assert_eq!(told(&rig.run(600)), []);
    assert_eq!(rig.state(), "stood-down");
}

#[test]
fn a_stream_that_finished_or_failed_is_loaded_again() {
    for reason in [IdleReason::Finished, IdleReason::Error, IdleReason::Unknown] {
        let mut rig = Rig::playing();
        assert_eq!(told(&rig.tv_stops(ended(reason))), [], "not in a hurry");
        assert_eq!(rig.verdict(), "broken(player)");
        assert_eq!(told(&rig.run(1)), [load(true)], "{reason:?}");
        rig.play();
        rig.run(5);
        assert_eq!(rig.verdict(), "confirmed");
    }
}

#[test]
fn an_empty_player_is_filled_again() {
    let mut rig = Rig::playing();
    rig.tv_stops(TvEvent::Media(None));
    assert_eq!(told(&rig.run(1)), [load(true)]);
}

#[test]
fn a_player_that_vanished_is_started_again_once_it_is_clear_that_nobody_starts_another() {
    let mut rig = Rig::playing();
    rig.tv_stops(TvEvent::Receiver(ReceiverView::default()));
    assert_eq!(told(&rig.run(4)), []);
    assert_eq!(told(&rig.run(1)), [TvCommand::Launch]);
    let mut rig = Rig::playing();
    rig.tv_stops(idle_screen());
    rig.run(3);
    rig.tv(netflix());
    assert_eq!(told(&rig.run(600)), [], "somebody did");
    assert_eq!(rig.state(), "yielded");
}

#[test]
fn a_player_that_keeps_vanishing_is_started_three_times_in_five_minutes() {
    let mut rig = Rig::playing();
    let mut launches = 0;
    for _ in 0..28 {
        rig.tv_stops(idle_screen());
        let effects = rig.run(10);
        if told(&effects).contains(&TvCommand::Launch) {
            launches += 1;
            rig.tv(player());
            rig.tv(TvEvent::Media(None));
        }
    }
    assert_eq!(launches, 3);
    assert_eq!(rig.state(), "waiting");
    let why = rig.cast.view().state.detail.unwrap();
    assert!(why.contains("4 times within 5 minutes"), "{why}");
    assert_eq!(rig.verdict(), "broken(player)");
    assert!(told(&rig.run(60)).contains(&TvCommand::Launch), "and then again");
}

pub(super) fn standby(standby: bool) -> TvEvent {
    let app = Some(app("Default Media Receiver", "player-1", true));
    TvEvent::Receiver(ReceiverView { app, standby: Some(standby), ..ReceiverView::default() })
}

fn input(active: bool) -> TvEvent {
    let app = Some(app("Default Media Receiver", "player-1", true));
    let active_input = Some(active);
    TvEvent::Receiver(ReceiverView { app, active_input, ..ReceiverView::default() })
}

#[test]
fn a_tv_in_standby_is_left_alone_and_shows_us_when_it_is_switched_on() {
    let mut rig = Rig::playing();
    rig.fetches = false;
    assert_eq!(rig.tv(standby(true)).iter().filter(|e| **e == Effect::Disconnect).count(), 0);
    assert_eq!((rig.state(), rig.verdict().as_str()), ("tv-off", "tv-off"));
    assert_eq!(told(&rig.run(3600)), [], "what it does not fetch in its sleep is no fault");
    rig.fetches = true;
    rig.tv(standby(false));
    rig.run(5);
    assert_eq!((rig.state(), rig.verdict().as_str()), ("playing", "confirmed"));
}

#[test]
fn a_tv_that_was_switched_off_is_not_woken() {
    let mut rig = Rig::playing();
    rig.tv(standby(true));
    let off = ReceiverView { standby: Some(true), ..ReceiverView::default() };
    rig.tv_stops(TvEvent::Receiver(off.clone()));
    assert_eq!(told(&rig.run(3600)), []);
    assert_eq!(rig.verdict(), "tv-off");
    rig.lose();
    rig.run(1);
    rig.connect();
    rig.tv(TvEvent::Receiver(off));
    assert_eq!(told(&rig.run(3600)), [], "nor after it was away");
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(10)), [TvCommand::Launch], "somebody switched it on");
}

#[test]
fn a_tv_that_is_switched_off_while_it_is_waited_for_is_not_woken() {
    let asleep = || {
        let app = Some(app("Backdrop", "idle-1", false));
        TvEvent::Receiver(ReceiverView { app, standby: Some(true), ..ReceiverView::default() })
    };
    let mut rig = Rig::ready(busy(OnBusy::Yield));
    let memory = remembered(&rig.tv(netflix())).unwrap();
    rig.tv(asleep());
    assert_eq!(told(&rig.run(3600)), []);
    let mut rig = Rig::ready(Wanted { memory, ..busy(OnBusy::Yield) });
    rig.tv(asleep());
    assert_eq!(told(&rig.run(3600)), [], "nor by the next daemon");
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(5)), [TvCommand::Launch], "somebody switched it on");
}

#[test]
fn a_start_wakes_a_tv_in_standby() {
    let mut rig = Rig::ready(wanted());
    let off = ReceiverView { standby: Some(true), ..ReceiverView::default() };
    assert_eq!(told(&rig.tv(TvEvent::Receiver(off))), [TvCommand::Launch]);
}

#[test]
fn another_input_is_believed_when_the_player_stops_fetching() {
    let mut rig = Rig::playing();
    rig.tv(input(true));
    rig.tv(input(false));
    rig.run(10);
    assert_eq!((rig.state(), rig.verdict().as_str()), ("playing", "covered-suspected"));
    rig.fetches = false;
    assert_eq!(told(&rig.run(5)), []);
    assert_eq!(rig.verdict(), "tv-off");
    assert_eq!(told(&rig.run(3600)), []);
    rig.fetches = true;
    rig.tv(input(true));
    rig.run(5);
    assert_eq!(rig.verdict(), "confirmed");
}

#[test]
fn a_tv_that_never_said_that_it_shows_us_is_not_believed_when_it_denies_it() {
    let mut rig = Rig::playing();
    rig.tv(input(false));
    rig.run(10);
    assert_eq!(rig.verdict(), "confirmed");
}

#[test]
fn a_tv_that_lost_its_power_is_called_until_it_is_back_and_started_again() {
    let mut rig = Rig::playing();
    rig.fetches = false;
    rig.playing = None;
    rig.run(5);
    assert_eq!(rig.verdict(), "broken(network)", "it is seen before the connection is");
    rig.lose();
    let mut attempts = 0;
    for _ in 0..600 {
        if rig.run(1).contains(&Effect::Connect) {
            attempts += 1;
            rig.send(Event::ConnectionFailed { why: "no route to host".to_owned() });
        }
    }
    assert!((12..20).contains(&attempts), "{attempts}");
    assert_eq!(rig.state(), "connecting");
    assert!(rig.run(60).contains(&Effect::Connect));
    rig.connect();
    assert_eq!(told(&rig.tv(idle_screen())), [TvCommand::Launch]);
}

#[test]
fn a_player_that_plays_on_without_a_connection_is_not_touched_afterwards() {
    let mut rig = Rig::playing();
    rig.lose();
    assert_eq!(rig.verdict(), "broken(tv)");
    assert!(rig.run(1).contains(&Effect::Connect));
    rig.run(5);
    rig.connect();
    assert_eq!(told(&rig.tv(player())), []);
    assert_eq!(told(&rig.tv(ours(PlayerState::Playing))), []);
    rig.position = 60.0;
    rig.play();
    assert_eq!(told(&rig.run(60)), []);
    assert_eq!((rig.state(), rig.verdict().as_str()), ("playing", "confirmed"));
}

#[test]
fn a_takeover_that_was_missed_is_seen_afterwards() {
    let mut rig = Rig::playing();
    rig.lose();
    rig.fetches = false;
    rig.run(1);
    rig.connect();
    assert_eq!(told(&rig.tv(netflix())), []);
    assert_eq!(rig.verdict(), "taken-over");
}

#[test]
fn a_player_that_hangs_is_loaded_again_and_then_started_again() {
    let mut rig = Rig::playing();
    rig.fetches = false;
    assert_eq!(told(&rig.run(9)), []);
    assert_eq!(told(&rig.run(2)), [load(true)], "10 s without a fetch");
    assert_eq!(told(&rig.run(12)), [TvCommand::Stop]);
    rig.playing = None;
    rig.tv(ended(IdleReason::Cancelled));
    assert_eq!(told(&rig.tv(idle_screen())), [TvCommand::Launch], "that was no person");
}

#[test]
fn a_player_that_hangs_and_recovers_is_only_loaded_again() {
    let mut rig = Rig::playing();
    rig.fetches = false;
    assert_eq!(told(&rig.run(11)), [load(true)]);
    rig.fetches = true;
    assert_eq!(told(&rig.run(60)), []);
    assert_eq!(rig.verdict(), "confirmed");
}

#[test]
fn a_stream_that_stands_still_is_not_the_players_fault() {
    let mut rig = Rig::playing();
    rig.flows = false;
    rig.playing = Some((PlayerState::Buffering, false));
    assert_eq!(told(&rig.run(120)), []);
    rig.flows = true;
    rig.run(7);
    rig.playing = Some((PlayerState::Playing, true));
    assert_eq!(told(&rig.run(60)), []);
    assert_eq!(rig.verdict(), "confirmed");
}

#[test]
fn a_player_that_buffers_for_ever_is_loaded_again() {
    let mut rig = Rig::playing();
    rig.playing = Some((PlayerState::Buffering, false));
    assert_eq!(told(&rig.run(18)), []);
    assert_eq!(told(&rig.run(4)), [load(true)]);
}
