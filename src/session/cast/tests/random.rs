//! Random days of a TV and its people, and what may never happen in any of them.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// In hundredths of a second.
    Wait(u64),
    /// The network, and the TV's answers to what it was told.
    ConnectOk,
    ConnectFails,
    Lose,
    Announce,
    Obey,
    Refuse,
    AskPeople,
    /// The player's life.
    Fetch,
    Report,
    Break(IdleReason),
    Vanish,
    /// People.
    StartApp,
    EndApp,
    LoadFilm,
    PressStop,
    Pause,
    Unpause,
    Standby(bool),
    Input(bool),
    /// Our side.
    Segment,
    Page(bool),
    Encoder(bool),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u64..400).prop_map(Step::Wait),
        2 => (400_u64..40_000).prop_map(Step::Wait),
        6 => Just(Step::ConnectOk),
        1 => Just(Step::ConnectFails),
        1 => Just(Step::Lose),
        1 => Just(Step::Announce),
        8 => Just(Step::Obey),
        1 => Just(Step::Refuse),
        1 => Just(Step::AskPeople),
        8 => Just(Step::Fetch),
        8 => Just(Step::Report),
        1 => prop_oneof![
            Just(IdleReason::Finished),
            Just(IdleReason::Error),
            Just(IdleReason::Interrupted),
        ].prop_map(Step::Break),
        1 => Just(Step::Vanish),
        1 => Just(Step::StartApp),
        2 => Just(Step::EndApp),
        1 => Just(Step::LoadFilm),
        1 => Just(Step::PressStop),
        1 => Just(Step::Pause),
        1 => Just(Step::Unpause),
        1 => any::<bool>().prop_map(Step::Standby),
        1 => any::<bool>().prop_map(Step::Input),
        8 => Just(Step::Segment),
        1 => any::<bool>().prop_map(Step::Page),
        1 => any::<bool>().prop_map(Step::Encoder),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Net {
    Down,
    Connecting,
    Up,
}

/// A TV as it really is.
struct World {
    rig: Rig,
    policy: Policy,
    net: Net,
    connects: Vec<MediaTime>,
    launches: Vec<MediaTime>,
    runs: u32,
    screen: Option<AppView>,
    /// What the player has.
    media: Option<MediaView>,
    standby: bool,
    active: Option<bool>,
    volume: f64,
    /// Told and not obeyed yet.
    pending: Vec<TvCommand>,
    segments: u64,
    last_fetch: Option<MediaTime>,
    /// The cast had the screen, so it may not take it from anybody.
    had_screen: bool,
    /// It was told to go, and nothing allows it to come back.
    gone: bool,
}

impl World {
    fn new(policy: Policy, memory: Memory) -> Self {
        let had_screen = memory.had_screen;
        let gone = memory.hold.as_ref().is_some_and(|hold| policy.returns_after(hold).is_none());
        let mut world = Self {
            rig: Rig::new(Wanted { policy, memory, volume: Some(0.3), ..wanted() }),
            policy,
            net: Net::Down,
            connects: Vec::new(),
            launches: Vec::new(),
            runs: 0,
            screen: None,
            media: None,
            standby: false,
            active: None,
            volume: 0.5,
            pending: Vec::new(),
            segments: 0,
            last_fetch: None,
            had_screen,
            gone,
        };
        world.send(Event::Start);
        world
    }

    fn send(&mut self, event: Event) {
        let effects = self.rig.send(event);
        for effect in effects {
            self.apply(effect);
        }
        let state = self.rig.state();
        if matches!(state, "stood-down" | "yielded") && self.had_screen {
            self.gone = self.policy.resume_after.is_none()
                && (state == "stood-down" || self.policy.on_busy != OnBusy::PreemptAndReturn);
        }
        if self.rig.verdict() == "confirmed" {
            let fetch = self.last_fetch.expect("confirmed without a fetch");
            assert!(
                self.rig.time.since(fetch) < Duration::from_secs(4).into(),
                "{:?}",
                self.rig.cast
            );
        }
        let waits_for_others = ["stood-down", "yielded", "paused", "tv-off", "awaiting-stream"];
        assert!(
            self.rig.deadline().is_some()
                || self.rig.cast.is_finished()
                || self.net == Net::Connecting
                || waits_for_others.contains(&state)
                || (state == "playing" && !self.rig.cast.stream.flows(self.rig.time)),
            "nothing moves it on: {:?}",
            self.rig.cast
        );
    }

    fn apply(&mut self, effect: Effect) {
        let now = self.rig.time;
        match effect {
            Effect::Connect => {
                assert_eq!(self.net, Net::Down, "a second connection");
                self.net = Net::Connecting;
                self.connects.push(now);
                if let [.., before, _, last] = self.connects[..] {
                    assert!(last.since(before) >= Duration::from_secs(10).into(), "three calls");
                }
            }
            Effect::Disconnect => {
                assert_ne!(self.net, Net::Down);
                self.net = Net::Down;
                self.pending.clear();
            }
            Effect::Tell(command) => {
                assert_eq!(self.net, Net::Up, "{command:?} to nobody");
                match &command {
                    TvCommand::Launch => {
                        self.check_manners(&command);
                        self.launches.push(now);
                    }
                    TvCommand::Load(_) => {
                        self.check_manners(&command);
                        assert!(self.segments > 0, "loading nothing");
                        assert!(self.has_player(), "loading into nothing");
                    }
                    TvCommand::Stop => {
                        assert!(!self.is_persons(), "ending what a person started");
                    }
                    TvCommand::SetVolume(_) => {}
                    TvCommand::Play => panic!("nobody lets go on what a person paused"),
                }
                self.pending.push(command);
            }
            Effect::Remember(_) | Effect::Note(_) => {}
            Effect::Finished => self.net = Net::Down,
        }
    }

    fn check_manners(&self, command: &TvCommand) {
        let cast = &self.rig.cast;
        assert!(!self.gone, "{command:?} after a person sent us away: {cast:?}");
        let may_preempt = !self.had_screen && self.policy.on_busy != OnBusy::Yield;
        assert!(!self.is_persons() || may_preempt, "{command:?} over a person's: {cast:?}");
        let paused = self.media.as_ref().is_some_and(|media| media.state == PlayerState::Paused);
        assert!(!paused || self.is_persons(), "{command:?} into a pause: {cast:?}");
        assert!(!(self.standby && self.had_screen), "{command:?} to a sleeping TV: {cast:?}");
    }

    fn has_player(&self) -> bool {
        self.screen.as_ref().is_some_and(|app| app.is_player)
    }

    fn is_persons(&self) -> bool {
        match &self.screen {
            Some(app) if app.is_player => self.media.as_ref().is_some_and(|media| {
                media.content.as_deref() != Some(STREAM)
                    && !matches!(media.state, PlayerState::Idle(_))
            }),
            Some(app) => !app.is_idle_screen,
            None => false,
        }
    }

    fn ours(&mut self) -> Option<&mut MediaView> {
        let has_player = self.has_player();
        self.media
            .as_mut()
            .filter(|media| has_player && media.content.as_deref() == Some(STREAM))
            .filter(|media| !matches!(media.state, PlayerState::Idle(_)))
    }

    fn show(&mut self, name: &str, is_player: bool) {
        self.runs += 1;
        self.screen = Some(app(name, &format!("run-{}", self.runs), is_player));
        self.media = None;
        self.tell_screen();
        if is_player {
            self.tell_media();
        }
    }

    fn tell_screen(&mut self) {
        if self.net == Net::Up {
            let view = ReceiverView {
                app: self.screen.clone(),
                standby: Some(self.standby),
                active_input: self.active,
                volume: Some(self.volume),
                muted: Some(false),
            };
            self.send(Event::Tv(TvEvent::Receiver(view)));
        }
    }

    fn tell_media(&mut self) {
        if self.net == Net::Up && self.has_player() {
            self.send(Event::Tv(TvEvent::Media(self.media.clone())));
        }
    }

    fn set_media(&mut self, content: &str, state: PlayerState) {
        let content = Some(content.to_owned());
        self.media = Some(MediaView { content, state, position: 0.0 });
        self.tell_media();
    }

    fn wait(&mut self, hundredths: u64) {
        let end = self.rig.time + MediaTime::from_ticks(hundredths * 900);
        let mut same = 0;
        while let Some(deadline) = self.rig.deadline().filter(|deadline| *deadline <= end) {
            same = if deadline <= self.rig.time { same + 1 } else { 0 };
            assert!(same < 4, "ticking on the spot: {:?}", self.rig.cast);
            self.rig.time = deadline.max(self.rig.time);
            self.send(Event::Tick);
        }
        self.rig.time = end;
    }

    fn obey(&mut self) {
        if self.pending.is_empty() {
            return;
        }
        match self.pending.remove(0) {
            TvCommand::Launch => {
                self.standby = false;
                self.active = self.active.map(|_| true);
                if !self.has_player() {
                    self.show("Default Media Receiver", true);
                }
            }
            TvCommand::Load(load) if self.has_player() => {
                self.had_screen = true;
                // Told before, the TV does it late, and nobody fights for that.
                self.gone = false;
                self.set_media(load.url.as_str(), PlayerState::Buffering);
                if let Some(media) = self.ours() {
                    media.state = PlayerState::Playing;
                }
                self.tell_media();
            }
            TvCommand::Stop if self.has_player() => {
                if let Some(media) = self.ours() {
                    media.state = PlayerState::Idle(Some(IdleReason::Cancelled));
                }
                self.tell_media();
                self.show("Backdrop", false);
            }
            TvCommand::SetVolume(level) => {
                self.volume = level;
                self.tell_screen();
            }
            _ => {}
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Wait(hundredths) => self.wait(hundredths),
            Step::ConnectOk if self.net == Net::Connecting => {
                self.net = Net::Up;
                self.send(Event::Connected { stream: url() });
                self.tell_screen();
                self.tell_media();
            }
            Step::ConnectFails if self.net == Net::Connecting => {
                self.net = Net::Down;
                self.send(Event::ConnectionFailed { why: "refused".to_owned() });
            }
            Step::Lose if self.net == Net::Up => {
                self.net = Net::Down;
                self.pending.clear();
                self.send(Event::ConnectionLost { why: "silence".to_owned() });
            }
            Step::Announce => self.send(Event::Announced),
            Step::Obey if self.net == Net::Up => self.obey(),
            Step::Refuse if !self.pending.is_empty() => match self.pending.remove(0) {
                TvCommand::Launch => self.send(Event::Tv(TvEvent::LaunchFailed("no".to_owned()))),
                TvCommand::Load(_) => self.send(Event::Tv(TvEvent::LoadFailed("no".to_owned()))),
                _ => {}
            },
            Step::AskPeople if self.pending.contains(&TvCommand::Launch) => {
                self.send(Event::Tv(TvEvent::LaunchPending));
            }
            Step::Fetch if self.segments > 0 && self.ours().is_some() => {
                self.last_fetch = Some(self.rig.time);
                self.rig.fetched.segments += 1;
                self.send(Event::Fetched(self.rig.fetched));
            }
            Step::Report => {
                if let Some(media) = self.ours()
                    && media.state == PlayerState::Playing
                {
                    media.position += 1.0;
                }
                self.tell_media();
            }
            Step::Break(reason) => {
                if let Some(media) = self.ours() {
                    media.state = PlayerState::Idle(Some(reason));
                    self.tell_media();
                }
            }
            Step::Vanish if self.has_player() => self.show("Backdrop", false),
            Step::StartApp => self.show("Netflix", false),
            Step::EndApp if self.is_persons() => self.show("Backdrop", false),
            Step::LoadFilm if self.has_player() => {
                if let Some(media) = self.ours() {
                    media.state = PlayerState::Idle(Some(IdleReason::Interrupted));
                    self.tell_media();
                }
                self.set_media("http://films.lan/a.mp4", PlayerState::Playing);
            }
            Step::PressStop => {
                let connected = self.net == Net::Up;
                let known = ["playing", "loading"].contains(&self.rig.state());
                if let Some(media) = self.ours() {
                    media.state = PlayerState::Idle(Some(IdleReason::Cancelled));
                    self.tell_media();
                    if connected && known && !self.rig.cast.machine.off {
                        assert_eq!(self.rig.state(), "stood-down", "{:?}", self.rig.cast);
                    }
                    self.show("Backdrop", false);
                }
            }
            Step::Pause => {
                if let Some(media) = self.ours() {
                    media.state = PlayerState::Paused;
                    self.tell_media();
                }
            }
            Step::Unpause => {
                if let Some(media) = self.ours() {
                    media.state = PlayerState::Playing;
                    self.tell_media();
                }
            }
            Step::Standby(standby) => {
                self.standby = standby;
                self.tell_screen();
            }
            Step::Input(active) => {
                self.active = Some(active);
                self.tell_screen();
            }
            Step::Segment => {
                self.segments += 1;
                self.send(Event::Segment);
            }
            Step::Page(works) => self.send(Event::Page(part(works))),
            Step::Encoder(works) => self.send(Event::Encoder(part(works))),
            _ => {}
        }
    }
}

fn part(works: bool) -> Part {
    if works { Part::Works } else { Part::Broken("so it is".to_owned()) }
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let on_busy = prop::sample::select(OnBusy::ALL.to_vec());
    let resume_after = prop::option::of((1_u64..90).prop_map(Duration::from_secs));
    (on_busy, resume_after).prop_map(|(on_busy, resume_after)| Policy { on_busy, resume_after })
}

/// What a daemon before may have left. What is busy was never ours; what was taken was.
fn any_memory() -> impl Strategy<Value = Memory> {
    let held =
        [(false, Hold::Busy as fn(String) -> Hold), (true, Hold::TakenOver), (true, Hold::Stopped)];
    let held = held.map(|(had_screen, hold)| (had_screen, Some(hold("so".to_owned()))));
    let screens: Vec<_> = [(false, None), (true, None)].into_iter().chain(held).collect();
    let volume = prop::option::of(Just(Borrowed { before: 0.5, ours: 0.3, asked: Some(0.3) }));
    (prop::sample::select(screens), volume).prop_map(|((had_screen, hold), volume)| Memory {
        had_screen,
        hold,
        volume,
        rung: Rung::default(),
    })
}

proptest! {
    /// Whatever a TV and its people do: manners are kept, there is one connection and no hurry, nothing
    /// is loaded before there is something, the verdict is never better than the last fetch, and after
    /// the end nothing is left.
    #[test]
    fn manners_are_kept_on_random_days(
        policy in any_policy(),
        memory in any_memory(),
        steps in prop::collection::vec(any_step(), 0..250),
        end_player in any::<bool>(),
        leaving in prop::collection::vec(any_step(), 0..10),
    ) {
        let mut world = World::new(policy, memory);
        for step in steps {
            world.step(step);
        }
        // Only the player that was called for, and is yet to come, is ended behind what people watch.
        let comes = matches!(world.rig.state(), "launching" | "permission-asked");
        let persons = world.is_persons() && !comes;
        let farewell = if end_player { Farewell::EndPlayer } else { Farewell::KeepPlaying };
        let effects = world.rig.send(Event::Stop(farewell));
        prop_assert!(!told(&effects).contains(&TvCommand::Stop) || (end_player && !persons));
        if world.rig.cast.is_finished() {
            prop_assert_eq!(effects.last(), Some(&Effect::Finished));
        } else {
            prop_assert!(end_player && world.rig.cast.machine.memory.had_screen);
            effects.into_iter().for_each(|effect| world.apply(effect));
            for step in leaving {
                if !world.rig.cast.is_finished() {
                    world.step(step);
                }
            }
            world.wait(400);
        }
        prop_assert!(world.rig.cast.is_finished() && world.rig.deadline().is_none());
        prop_assert_eq!(world.rig.send(Event::Tick), vec![]);
        prop_assert_eq!(world.rig.send(Event::Tv(idle_screen())), vec![]);
    }

    /// A player that starts whenever it is told to, and dies each time, is started at most four times
    /// in any five minutes.
    #[test]
    fn a_dying_player_is_not_started_without_end(lives in prop::collection::vec(0_u64..2000, 60)) {
        let mut world = World::new(Policy::default(), Memory::default());
        world.step(Step::ConnectOk);
        world.step(Step::Segment);
        for life in lives {
            while !world.pending.is_empty() {
                world.step(Step::Obey);
            }
            world.wait(life);
            world.step(Step::Vanish);
            world.wait(600);
        }
        for five in world.launches.windows(5) {
            prop_assert!(five[4].since(five[0]) >= Duration::from_secs(300).into(), "{:?}", five);
        }
    }
}
