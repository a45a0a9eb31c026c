//! A cast against a TV that is played by hand: one test for each fact that a TV can state, and random
//! ones.

mod facts;
mod lags;
mod random;
mod rules;
mod verdicts;

use std::time::Duration;

use url::Url;

use super::*;
use crate::{
    config::OnBusy,
    session::tv::{
        AppView, IdleReason, Load, MediaView, PlayerState, ReceiverView, TvCommand, TvEvent,
    },
};

const STREAM: &str = "http://10.0.0.9:8000/media/t0ken/master.m3u8";

fn url() -> Url {
    Url::parse(STREAM).unwrap()
}

fn wanted() -> Wanted {
    Wanted {
        title: "Kitchen".to_owned(),
        policy: Policy::default(),
        volume: None,
        memory: Memory::default(),
        follows: false,
        seed: 7,
    }
}

fn app(name: &str, session: &str, is_player: bool) -> AppView {
    let (name, session) = (name.to_owned(), session.to_owned());
    AppView { is_idle_screen: name == "Backdrop", name, session, is_player }
}

fn showing(app: AppView) -> TvEvent {
    TvEvent::Receiver(ReceiverView { app: Some(app), ..ReceiverView::default() })
}

fn idle_screen() -> TvEvent {
    showing(app("Backdrop", "idle-1", false))
}

fn player() -> TvEvent {
    showing(app("Default Media Receiver", "player-1", true))
}

fn netflix() -> TvEvent {
    showing(app("Netflix", "netflix-1", false))
}

fn media(content: &str, state: PlayerState, position: f64) -> TvEvent {
    TvEvent::Media(Some(MediaView { content: Some(content.to_owned()), state, position }))
}

fn ours(state: PlayerState) -> TvEvent {
    media(STREAM, state, 50.0)
}

fn ended(reason: IdleReason) -> TvEvent {
    ours(PlayerState::Idle(Some(reason)))
}

/// A cast, its clock, and a TV that goes on as it was left.
struct Rig {
    cast: Cast,
    time: MediaTime,
    /// A segment comes out each second.
    flows: bool,
    /// The TV fetches each of them.
    fetches: bool,
    /// What the player reports each second, and whether its position moves.
    playing: Option<(PlayerState, bool)>,
    position: f64,
    fetched: Fetched,
}

impl Rig {
    fn new(wanted: Wanted) -> Self {
        let time = MediaTime::from(Duration::from_secs(1000));
        let cast = Cast::new(Self::now_at(time), wanted);
        Self {
            cast,
            time,
            flows: false,
            fetches: false,
            playing: None,
            position: 0.0,
            fetched: Fetched::default(),
        }
    }

    fn now_at(time: MediaTime) -> Now {
        let wall = Timestamp::UNIX_EPOCH + Duration::from(time);
        Now { time, wall }
    }

    /// A cast whose TV is connected and has not said anything.
    fn connected(wanted: Wanted) -> Self {
        let mut rig = Self::new(wanted);
        assert_eq!(rig.send(Event::Start), [Effect::Connect]);
        rig.send(Event::Page(Part::Works));
        rig.send(Event::Encoder(Part::Works));
        rig.connect();
        rig
    }

    /// A connected cast with a stream that can be loaded.
    fn ready(wanted: Wanted) -> Self {
        let mut rig = Self::connected(wanted);
        rig.flows = true;
        rig.send(Event::Segment);
        rig
    }

    /// A cast that was told to play and is about to.
    fn loading(wanted: Wanted) -> Self {
        let mut rig = Self::ready(wanted);
        assert_eq!(told(&rig.tv(idle_screen())), [TvCommand::Launch]);
        rig.tv(player());
        assert_eq!(told(&rig.tv(TvEvent::Media(None))), [load(true)]);
        rig
    }

    /// A cast that is confirmed.
    fn playing() -> Self {
        Self::playing_as(wanted())
    }

    fn playing_as(wanted: Wanted) -> Self {
        let mut rig = Self::loading(wanted);
        rig.play();
        rig.run(5);
        assert_eq!(rig.state(), "playing", "{:?}", rig.cast);
        assert_eq!(rig.verdict(), "confirmed", "{:?}", rig.cast);
        rig
    }

    fn connect(&mut self) -> Vec<Effect> {
        self.send(Event::Connected { stream: url() })
    }

    fn lose(&mut self) -> Vec<Effect> {
        self.playing = None;
        self.send(Event::ConnectionLost { why: "silence".to_owned() })
    }

    /// The TV does what it is told.
    fn play(&mut self) {
        self.fetches = true;
        self.playing = Some((PlayerState::Playing, true));
    }

    fn send(&mut self, event: Event) -> Vec<Effect> {
        self.cast.handle(Self::now_at(self.time), event)
    }

    fn tv(&mut self, event: TvEvent) -> Vec<Effect> {
        self.send(Event::Tv(event))
    }

    /// What the TV says, and it does nothing more by itself.
    fn tv_stops(&mut self, event: TvEvent) -> Vec<Effect> {
        self.playing = None;
        self.fetches = false;
        self.tv(event)
    }

    fn deadline(&self) -> Option<MediaTime> {
        self.cast.deadline(Self::now_at(self.time))
    }

    /// Lets time pass: what happens each second happens, and each deadline is kept.
    fn run(&mut self, seconds: u64) -> Vec<Effect> {
        let mut effects = Vec::new();
        for _ in 0..seconds {
            let end = self.time + MediaTime::SECOND;
            let mut ticks = 0;
            while let Some(deadline) = self.deadline().filter(|deadline| *deadline <= end) {
                self.time = deadline.max(self.time);
                effects.extend(self.send(Event::Tick));
                ticks += 1;
                assert!(ticks < 20, "ticking without end: {:?}", self.cast);
            }
            self.time = end;
            if self.flows {
                effects.extend(self.send(Event::Segment));
            }
            if self.fetches && self.flows {
                self.fetched.playlists += 1;
                self.fetched.segments += 1;
                effects.extend(self.send(Event::Fetched(self.fetched)));
            }
            if let Some((state, moves)) = self.playing {
                self.position += if moves { 1.0 } else { 0.0 };
                effects.extend(self.tv(media(STREAM, state, self.position)));
            }
        }
        effects
    }

    fn state(&self) -> &'static str {
        self.cast.view().state.name
    }

    fn verdict(&self) -> String {
        self.cast.view().verdict.finding.to_string()
    }

    fn lag(&self) -> Option<f64> {
        self.cast.view().lag.map(Lag::seconds)
    }

    fn noted(&self, event: &str) -> usize {
        self.cast.timeline().filter(|entry| entry.event == event).count()
    }
}

fn load(state_segment_format: bool) -> TvCommand {
    TvCommand::Load(Load { url: url(), state_segment_format, title: "Kitchen".to_owned() })
}

fn told(effects: &[Effect]) -> Vec<TvCommand> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Tell(command) => Some(command.clone()),
            _ => None,
        })
        .collect()
}

fn remembered(effects: &[Effect]) -> Option<Memory> {
    effects.iter().rev().find_map(|effect| match effect {
        Effect::Remember(memory) => Some(memory.clone()),
        _ => None,
    })
}

fn count(effects: &[Effect], wanted: &Effect) -> usize {
    effects.iter().filter(|effect| *effect == wanted).count()
}

fn resuming_after(seconds: u64) -> Wanted {
    let resume_after = Some(Duration::from_secs(seconds));
    Wanted { policy: Policy { resume_after, ..Policy::default() }, ..wanted() }
}

fn busy(on_busy: OnBusy) -> Wanted {
    Wanted { policy: Policy { on_busy, resume_after: None }, ..wanted() }
}
