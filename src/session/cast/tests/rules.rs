//! How a cast begins, tries, remembers and ends.

use super::*;

#[test]
fn the_player_is_called_for_while_the_stream_begins_and_told_to_play_with_the_first_segment() {
    let mut rig = Rig::connected(wanted());
    assert_eq!(told(&rig.tv(idle_screen())), [TvCommand::Launch]);
    rig.tv(player());
    assert_eq!(told(&rig.tv(TvEvent::Media(None))), []);
    assert_eq!(told(&rig.run(30)), []);
    assert_eq!(rig.state(), "awaiting-stream");
    assert_eq!(told(&rig.send(Event::Segment)), [load(true)]);
}

#[test]
fn a_player_that_does_not_say_what_it_plays_is_taken_for_empty() {
    let mut rig = Rig::ready(wanted());
    rig.tv(idle_screen());
    assert_eq!(told(&rig.tv(player())), []);
    assert_eq!(told(&rig.run(2)), [load(true)]);
}

#[test]
fn it_counts_only_when_the_tv_fetches_and_its_position_moves() {
    let mut rig = Rig::loading(wanted());
    rig.playing = Some((PlayerState::Playing, true));
    rig.run(5);
    assert_eq!(rig.state(), "loading", "nothing was fetched");
    let mut rig = Rig::loading(wanted());
    rig.fetches = true;
    rig.playing = Some((PlayerState::Playing, false));
    rig.run(5);
    assert_eq!(rig.state(), "loading", "the picture stands");
    rig.playing = Some((PlayerState::Playing, true));
    let effects = rig.run(2);
    assert_eq!(rig.state(), "playing");
    assert!(rig.noted("playing") == 1 && told(&effects).is_empty());
}

#[test]
fn the_ladder_is_climbed_round_and_round_with_growing_rests() {
    let mut rig = Rig::loading(wanted());
    assert_eq!(told(&rig.run(12)), [load(false)]);
    let mut loads = Vec::new();
    for second in 0..300 {
        loads.extend(told(&rig.run(1)).into_iter().map(|command| (second, command)));
    }
    let rungs: Vec<_> = loads.iter().map(|(_, command)| *command == load(true)).collect();
    assert!(rungs.len() > 8, "{loads:?}");
    assert!(rungs.iter().enumerate().all(|(i, stated)| *stated == (i % 2 == 0)), "{loads:?}");
    let gap = |i: usize| loads[i + 1].0 - loads[i].0;
    assert_eq!(gap(0), 12, "{loads:?}");
    assert!(gap(7) > gap(1), "{loads:?}");
}

#[test]
fn what_worked_is_remembered_and_tried_first() {
    let mut rig = Rig::loading(wanted());
    assert_eq!(told(&rig.tv(TvEvent::LoadFailed("905".to_owned()))), [], "not in a hurry");
    assert_eq!(told(&rig.run(1)), [load(false)]);
    rig.play();
    let memory = remembered(&rig.run(5)).unwrap();
    assert_eq!(memory.rung, Rung::FormatUnstated);
    let mut rig = Rig::ready(Wanted { memory: memory.rearmed(), ..wanted() });
    rig.tv(player());
    assert_eq!(told(&rig.tv(TvEvent::Media(None))), [load(false)]);
}

#[test]
fn a_load_that_failed_because_somebody_else_loaded_is_not_repeated() {
    let mut rig = Rig::loading(wanted());
    rig.tv(TvEvent::LoadFailed("cancelled".to_owned()));
    rig.tv(media("http://films.lan/a.mp4", PlayerState::Loading, 0.0));
    assert_eq!(told(&rig.run(600)), []);
    assert_eq!(rig.state(), "yielded");
}

#[test]
fn a_tv_that_never_fetches_is_named_as_a_firewall_problem() {
    let mut rig = Rig::loading(wanted());
    rig.run(5);
    assert_eq!(rig.verdict(), "broken(network)");
    assert!(rig.cast.view().verdict.why.contains("firewall"));
}

#[test]
fn a_permission_is_waited_for_and_a_refusal_is_a_persons_word() {
    let mut rig = Rig::ready(wanted());
    rig.tv(idle_screen());
    rig.tv(TvEvent::LaunchPending);
    assert_eq!(told(&rig.run(120)), []);
    assert_eq!((rig.state(), rig.verdict().as_str()), ("permission-asked", "unknown"));
    rig.tv(TvEvent::LaunchDenied);
    assert_eq!(rig.state(), "stood-down");
    assert_eq!(told(&rig.run(3600)), []);
}

#[test]
fn a_permission_that_nobody_gives_is_not_asked_for_all_the_time() {
    let mut rig = Rig::ready(wanted());
    rig.tv(idle_screen());
    rig.tv(TvEvent::LaunchPending);
    assert_eq!(told(&rig.run(599)), []);
    assert_eq!(told(&rig.run(1)), [TvCommand::Launch]);
}

#[test]
fn a_player_that_does_not_start_is_called_for_again() {
    let mut rig = Rig::ready(wanted());
    rig.tv(idle_screen());
    rig.tv(TvEvent::LaunchFailed("system error".to_owned()));
    assert_eq!(rig.verdict(), "broken(player)");
    assert_eq!(told(&rig.run(1)), [TvCommand::Launch]);
    assert_eq!(told(&rig.run(29)), [], "this time without an answer");
    assert_eq!(told(&rig.run(2)), [TvCommand::Launch]);
}

#[test]
fn a_busy_tv_is_waited_for() {
    let mut rig = Rig::ready(busy(OnBusy::Yield));
    assert_eq!(told(&rig.tv(netflix())), []);
    assert_eq!(rig.state(), "yielded");
    assert_eq!(told(&rig.run(3600)), []);
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(3)), []);
    rig.tv(netflix());
    assert_eq!(told(&rig.run(60)), [], "that was a gap between two episodes");
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(5)), [TvCommand::Launch]);
}

#[test]
fn a_start_that_preempts_takes_the_screen_once() {
    let mut rig = Rig::ready(busy(OnBusy::Preempt));
    assert_eq!(told(&rig.tv(netflix())), [TvCommand::Launch]);
    assert_eq!(told(&rig.tv(netflix())), [], "it takes a moment");
    rig.tv(player());
    assert_eq!(told(&rig.tv(TvEvent::Media(None))), [load(true)]);
    rig.play();
    rig.run(5);
    rig.tv_stops(netflix());
    assert_eq!(told(&rig.run(60)), []);
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(3600)), []);
}

#[test]
fn a_start_that_preempts_loads_over_what_the_player_plays() {
    let mut rig = Rig::ready(busy(OnBusy::Preempt));
    rig.tv(player());
    let film = || media("http://films.lan/a.mp4", PlayerState::Playing, 9.0);
    assert_eq!(told(&rig.tv(film())), [load(true)]);
    rig.tv(film());
    assert_eq!(rig.state(), "loading", "that was said before the load was heard");
    rig.play();
    rig.run(5);
    assert_eq!(rig.state(), "playing");
}

#[test]
fn preempt_and_return_comes_back_when_people_are_done_but_not_after_a_stop() {
    let mut rig = Rig::playing_as(busy(OnBusy::PreemptAndReturn));
    rig.tv_stops(netflix());
    assert_eq!(told(&rig.run(600)), []);
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(59)), []);
    assert_eq!(told(&rig.run(1)), [TvCommand::Launch]);
    let mut rig = Rig::playing_as(busy(OnBusy::PreemptAndReturn));
    rig.tv_stops(ended(IdleReason::Cancelled));
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(3600)), []);
}

#[test]
fn another_stream_of_this_daemon_is_replaced_whatever_the_policy() {
    let mut rig = Rig::ready(busy(OnBusy::Yield));
    rig.tv(player());
    let before = "http://10.0.0.9:8000/media/before/master.m3u8";
    assert_eq!(told(&rig.tv(media(before, PlayerState::Playing, 9.0))), [load(true)]);
}

#[test]
fn a_daemon_that_was_started_again_goes_on_where_it_was() {
    let memory = Memory { had_screen: true, ..Memory::default() };
    let mut rig = Rig::connected(Wanted { memory, ..wanted() });
    rig.tv(player());
    assert_eq!(told(&rig.tv(ours(PlayerState::Playing))), []);
    assert_eq!(rig.state(), "playing");
    let hold = Some(Hold::Stopped("somebody pressed stop".to_owned()));
    let memory = Memory { had_screen: true, hold, ..Memory::default() };
    let mut rig = Rig::ready(Wanted { memory: memory.clone(), ..wanted() });
    rig.tv(idle_screen());
    assert_eq!(told(&rig.run(3600)), [], "a stop outlives the daemon");
    let mut rig = Rig::ready(Wanted { memory: memory.rearmed(), ..wanted() });
    assert_eq!(told(&rig.tv(idle_screen())), [TvCommand::Launch], "and a start overrules it");
}

#[test]
fn what_is_remembered_survives_the_disk() {
    let memory = Memory {
        rung: Rung::FormatUnstated,
        volume: Some(Borrowed { before: 0.5, ours: 0.2, asked: Some(0.2) }),
        had_screen: true,
        hold: Some(Hold::TakenOver("Netflix".to_owned())),
    };
    let json = serde_json::to_string(&memory).unwrap();
    assert_eq!(serde_json::from_str::<Memory>(&json).unwrap(), memory);
    assert_eq!(serde_json::from_str::<Memory>("{}").unwrap(), Memory::default());
}

#[test]
fn an_announcement_makes_it_try_at_once() {
    let mut rig = Rig::new(wanted());
    rig.send(Event::Start);
    for _ in 0..200 {
        if rig.deadline().is_none() {
            rig.send(Event::ConnectionFailed { why: "no route to host".to_owned() });
        }
        rig.run(1);
    }
    if rig.deadline().is_none() {
        rig.send(Event::ConnectionFailed { why: "no route to host".to_owned() });
    }
    rig.run(15);
    assert_eq!(rig.send(Event::Announced), [Effect::Connect]);
    let failures: Vec<_> =
        rig.cast.timeline().filter(|entry| entry.event == "connection-failed").collect();
    assert!(failures.len() <= 2 && failures[1].times > 5, "counted, not repeated: {failures:?}");
}

#[test]
fn a_tv_that_says_nothing_is_left_and_called_again() {
    let mut rig = Rig::ready(wanted());
    let effects = rig.run(10);
    assert!(effects.contains(&Effect::Disconnect), "{effects:?}");
    assert!(rig.run(2).contains(&Effect::Connect));
}

fn loud(level: f64, muted: bool) -> TvEvent {
    let app = Some(app("Default Media Receiver", "player-1", true));
    let (volume, muted) = (Some(level), Some(muted));
    TvEvent::Receiver(ReceiverView { app, volume, muted, ..ReceiverView::default() })
}

/// A cast that begins on a TV with this loudness.
fn with_volume(muted: bool) -> (Rig, Vec<Effect>) {
    let mut rig = Rig::loading(Wanted { volume: Some(0.2), ..wanted() });
    rig.tv(loud(0.5, muted));
    rig.play();
    let effects = rig.run(5);
    assert_eq!(rig.state(), "playing");
    (rig, effects)
}

#[test]
fn the_volume_is_set_after_playing_remembered_before_and_given_back() {
    let (mut rig, effects) = with_volume(false);
    let set = effects.iter().position(|e| *e == Effect::Tell(TvCommand::SetVolume(0.2))).unwrap();
    let kept = effects.iter().position(
        |e| matches!(e, Effect::Remember(m) if m.volume.is_some_and(|v| v.before == 0.5)),
    );
    assert!(kept.unwrap() < set, "{effects:?}");
    rig.tv(loud(0.2, false));
    let effects = rig.send(Event::Stop(Farewell::EndPlayer));
    assert_eq!(told(&effects), [TvCommand::SetVolume(0.5), TvCommand::Stop]);
    assert_eq!(remembered(&effects).unwrap().volume, None);
}

#[test]
fn a_level_is_given_back_also_when_our_player_is_gone_already() {
    let (mut rig, _) = with_volume(false);
    rig.tv(loud(0.2, false));
    let off = ReceiverView { standby: Some(true), volume: Some(0.2), ..ReceiverView::default() };
    rig.tv_stops(TvEvent::Receiver(off));
    let effects = rig.send(Event::Stop(Farewell::EndPlayer));
    assert_eq!(told(&effects), [TvCommand::SetVolume(0.5)]);
    assert_eq!(remembered(&effects).unwrap().volume, None);
}

#[test]
fn a_volume_that_a_person_changed_stays() {
    let (mut rig, _) = with_volume(false);
    rig.tv(loud(0.2, false));
    rig.tv(loud(0.4, false));
    assert_eq!(told(&rig.send(Event::Stop(Farewell::EndPlayer))), [TvCommand::Stop]);
}

#[test]
fn a_muted_tv_is_not_touched() {
    let (_, effects) = with_volume(true);
    assert_eq!(told(&effects), []);
}

#[test]
fn whoever_takes_the_screen_gets_the_old_volume() {
    let (mut rig, _) = with_volume(false);
    rig.tv(loud(0.2, false));
    let netflix = ReceiverView {
        app: Some(app("Netflix", "netflix-1", false)),
        volume: Some(0.2),
        muted: Some(false),
        ..ReceiverView::default()
    };
    assert_eq!(told(&rig.tv(TvEvent::Receiver(netflix))), [TvCommand::SetVolume(0.5)]);
}

#[test]
fn the_end_ends_our_player_and_nothing_else() {
    let mut rig = Rig::playing();
    let effects = rig.send(Event::Stop(Farewell::EndPlayer));
    assert_eq!(told(&effects), [TvCommand::Stop]);
    assert_eq!(effects.last(), Some(&Effect::Finished));
    assert_eq!(count(&effects, &Effect::Disconnect), 1);
    assert_eq!(rig.tv(netflix()), []);
    assert_eq!(rig.deadline(), None);
    assert!(rig.cast.is_finished());

    let mut rig = Rig::playing();
    rig.tv_stops(netflix());
    assert_eq!(told(&rig.send(Event::Stop(Farewell::EndPlayer))), [], "Netflix plays on");

    let mut rig = Rig::playing();
    assert_eq!(told(&rig.send(Event::Stop(Farewell::KeepPlaying))), [], "for the next daemon");
}

#[test]
fn a_player_that_we_started_does_not_stay_behind_empty() {
    let mut rig = Rig::connected(wanted());
    rig.tv(idle_screen());
    rig.tv(player());
    rig.tv(TvEvent::Media(None));
    assert_eq!(told(&rig.send(Event::Stop(Farewell::EndPlayer))), [TvCommand::Stop]);
    let mut rig = Rig::connected(wanted());
    rig.tv(player());
    rig.tv(TvEvent::Media(None));
    assert_eq!(told(&rig.send(Event::Stop(Farewell::EndPlayer))), [], "somebody else's does");
}

#[test]
fn a_player_that_was_not_spoken_to_yet_does_not_stay_behind() {
    let resumed =
        || Wanted { memory: Memory { had_screen: true, ..Memory::default() }, ..wanted() };
    let end = || Event::Stop(Farewell::EndPlayer);
    // The TV is being called, after a restart.
    let mut rig = Rig::new(resumed());
    rig.send(Event::Start);
    assert_eq!(rig.send(end()), []);
    rig.connect();
    assert_eq!(told(&rig.tv(player())), []);
    let effects = rig.tv(ours(PlayerState::Playing));
    assert_eq!(told(&effects), [TvCommand::Stop]);
    assert_eq!(effects.last(), Some(&Effect::Finished));
    // It was lost a moment ago.
    let mut rig = Rig::playing();
    rig.lose();
    assert_eq!(rig.send(end()), [Effect::Connect], "it is not waited for");
    rig.connect();
    let effects = rig.tv(netflix());
    assert_eq!((told(&effects), effects.last()), (vec![], Some(&Effect::Finished)));
    // It is not there, or says nothing.
    let mut rig = Rig::playing();
    rig.lose();
    rig.send(end());
    rig.send(Event::ConnectionFailed { why: "no route to host".to_owned() });
    rig.run(4);
    assert!(rig.cast.is_finished());
    let mut rig = Rig::connected(resumed());
    assert_eq!(rig.send(end()), []);
    let effects = rig.run(4);
    assert_eq!((count(&effects, &Effect::Disconnect), told(&effects)), (1, vec![]));
    assert!(rig.cast.is_finished());
    // One that never had the screen has nothing to look for.
    let mut rig = Rig::new(wanted());
    rig.send(Event::Start);
    assert_eq!(rig.send(end()).last(), Some(&Effect::Finished));
}

#[test]
fn what_was_to_be_replaced_ends_with_what_replaces_it() {
    let before = "http://10.0.0.9:8000/media/before/master.m3u8";
    let mut rig = Rig::new(Wanted { follows: true, ..wanted() });
    rig.send(Event::Start);
    assert_eq!(rig.send(Event::Stop(Farewell::EndPlayer)), [], "the TV has not said anything");
    rig.connect();
    rig.tv(player());
    let effects = rig.tv(media(before, PlayerState::Playing, 9.0));
    assert_eq!((told(&effects), rig.cast.is_finished()), (vec![TvCommand::Stop], true));

    let mut rig = Rig::connected(wanted());
    rig.tv(player());
    rig.tv(media(before, PlayerState::Playing, 9.0));
    assert_eq!(rig.state(), "awaiting-stream");
    assert_eq!(told(&rig.send(Event::Stop(Farewell::EndPlayer))), [TvCommand::Stop]);
}

#[test]
fn a_player_that_is_on_its_way_does_not_stay_behind_either() {
    let mut rig = Rig::connected(wanted());
    assert_eq!(told(&rig.tv(idle_screen())), [TvCommand::Launch]);
    assert_eq!(told(&rig.send(Event::Stop(Farewell::EndPlayer))), [TvCommand::Stop]);
    let mut rig = Rig::connected(wanted());
    rig.tv(idle_screen());
    assert_eq!(told(&rig.send(Event::Stop(Farewell::KeepPlaying))), []);
}

#[test]
fn a_level_that_people_changed_is_not_changed_back_by_the_next_daemon() {
    let quiet = |memory| Wanted { volume: Some(0.2), memory, ..wanted() };
    let borrowed = Some(Borrowed { before: 0.5, ours: 0.2, asked: Some(0.2) });
    let theirs = Memory { had_screen: true, ..Memory::default() };
    let lent = Memory { volume: borrowed, ..theirs.clone() };
    let anew = theirs.clone().rearmed();
    let unheard = (lent.clone(), 0.5, true);
    let after_another = lent.clone().rearmed();
    for (memory, level, sets) in [
        (theirs, 0.75, false),
        (lent, 0.75, false),
        unheard,
        (anew, 0.75, true),
        (after_another, 0.75, true),
    ] {
        let mut rig = Rig::ready(quiet(memory));
        let mut effects = rig.tv(loud(level, false));
        effects.extend(rig.tv(ours(PlayerState::Playing)));
        rig.play();
        effects.extend(rig.run(5));
        assert_eq!(told(&effects).contains(&TvCommand::SetVolume(0.2)), sets, "{effects:?}");
    }
}

#[test]
fn the_views_are_json_with_the_documented_words() {
    let mut rig = Rig::playing();
    let json = serde_json::to_value(rig.cast.view()).unwrap();
    assert_eq!(json["state"]["name"], "playing");
    assert_eq!(json["verdict"], "confirmed");
    assert!(json["since"].as_str().unwrap().starts_with("1970-01-01T00:16:4"), "{json}");
    rig.lose();
    let json = serde_json::to_value(rig.cast.view()).unwrap();
    assert_eq!((&json["verdict"], &json["link"]), (&"broken".into(), &"tv".into()));
    assert!(json["why"].as_str().unwrap().contains("silence"));
    let entry = serde_json::to_value(rig.cast.timeline().next().unwrap()).unwrap();
    assert_eq!(entry["event"], "connected");
}
