//! What follows from where a cast stands and what its TV shows.

use super::{
    event::Effect,
    machine::{
        ASK_LIMIT, ENOUGH_SEGMENTS, FAILURE_PAUSE, LAUNCH_LIMIT, LOAD_LIMIT, LOOK_LIMIT, Line,
        Machine, UP_LIMIT, VANISH_PAUSE,
    },
    pace::Breaker,
    policy::Hold,
    screen::{Screen, Taken},
    stage::{Attempt, Launch, Progress, Rung, Stage, Watch, why_idle},
    stream::Stream,
    verdict::{ChainLink, FETCH_LIMIT},
};
use crate::{
    media::MediaTime,
    session::tv::{IdleReason, Load, MediaView, PlayerState, TvCommand},
};

impl Launch {
    pub(super) fn until(&self) -> MediaTime {
        match self.up {
            Some(up) => up + UP_LIMIT,
            None if self.asked => self.since + ASK_LIMIT,
            None => self.since + LAUNCH_LIMIT,
        }
    }
}

impl Attempt {
    /// What the player says of our stream.
    pub(super) fn report(&mut self, now: MediaTime, media: &MediaView) {
        match media.state {
            PlayerState::Idle(reason) => {
                let failed =
                    !matches!(reason, Some(IdleReason::Interrupted | IdleReason::Cancelled));
                if self.answered && failed {
                    self.fail(now, why_idle(reason).to_owned());
                }
            }
            _ => {
                self.answered |= self.before.as_ref() != Some(media);
                self.progress.report(now, media);
            }
        }
    }

    /// The next rung waits a moment: when somebody else loaded something, that shows by then.
    pub(super) fn fail(&mut self, now: MediaTime, why: String) {
        self.until = self.until.min(now + FAILURE_PAUSE);
        self.failed.get_or_insert(why);
    }

    /// The player has it, says that it moves on, and really fetches it.
    fn succeeded(&self, stream: &Stream) -> bool {
        self.answered
            && self.failed.is_none()
            && self.progress.playing
            && self.progress.advanced.is_some()
            && stream.fetched.segments.saturating_sub(self.segments) >= ENOUGH_SEGMENTS
    }
}

impl Machine {
    pub(super) fn advance(&mut self, now: MediaTime, screen: Screen, stream: &Stream) {
        match self.stage.clone() {
            Stage::Looking { since } => self.looking(now, since, screen, stream),
            Stage::Launching(launch) => self.launching(now, launch, screen, stream),
            Stage::AwaitingStream => match screen {
                Screen::Taken(_) | Screen::Ours(_) => self.decide(now, screen, stream),
                _ if stream.is_ready() => self.decide(now, screen, stream),
                _ => {}
            },
            Stage::Loading(attempt) => self.loading(now, attempt, screen, stream),
            Stage::Playing(watch) => self.playing(now, watch, screen, stream),
            Stage::Paused => self.paused(now, screen, stream),
            Stage::Held { by, idle_since } => self.held(now, by, idle_since, screen, stream),
            Stage::Resting { until } => match screen {
                Screen::Taken(taken) if !self.may_preempt() => self.give_way(taken),
                // Our own end of the player, nobody else's.
                Screen::Free if self.ending => self.decide(now, screen, stream),
                _ if until <= now => self.decide_again(now, screen, stream),
                _ => {}
            },
            Stage::Off => match screen {
                Screen::Taken(_) => self.decide(now, screen, stream),
                Screen::Ours(ref media) if plays(media) => self.decide(now, screen, stream),
                _ if !self.off => self.stage = Stage::Resting { until: now + VANISH_PAUSE },
                _ => {}
            },
            Stage::Leaving { .. } if screen == Screen::Unknown => {}
            Stage::Leaving { .. } => self.leave(),
            Stage::Ended => {}
        }
    }

    fn looking(&mut self, now: MediaTime, since: MediaTime, screen: Screen, stream: &Stream) {
        match &screen {
            Screen::Unknown if since + LOOK_LIMIT <= now => {
                self.hang_up(now, "the TV does not say what it shows");
            }
            Screen::Unknown => {}
            Screen::Ours(media)
                if media.state == PlayerState::Idle(Some(IdleReason::Cancelled)) =>
            {
                self.hold(Hold::Stopped("somebody pressed stop".to_owned()));
            }
            _ => self.decide(now, screen, stream),
        }
    }

    /// What to do with a screen that we have no part in yet.
    fn decide(&mut self, now: MediaTime, screen: Screen, stream: &Stream) {
        match screen {
            Screen::Unknown => self.stage = Stage::Looking { since: now },
            Screen::Ours(media) if media.state == PlayerState::Paused => self.pause(),
            Screen::Ours(media) if plays(&media) => self.adopt(now, &media),
            Screen::Taken(taken) if !self.may_preempt() => self.give_way(taken),
            Screen::Kin if self.memory.had_screen => {
                let by = "another dashboard of this service".to_owned();
                self.hold(Hold::TakenOver(by));
            }
            Screen::Free | Screen::Empty | Screen::Kin | Screen::Ours(_) | Screen::Taken(_) => {
                self.take(now, screen, stream);
            }
        }
    }

    /// As [`Machine::decide`], after a failure: a player that still says it plays is believed only if
    /// it fetches.
    fn decide_again(&mut self, now: MediaTime, screen: Screen, stream: &Stream) {
        let fetches = stream.last_segment_fetch.is_some_and(|fetch| now.since(fetch) < FETCH_LIMIT);
        match &screen {
            Screen::Ours(media) if plays(media) && !fetches => self.take(now, screen, stream),
            _ => self.decide(now, screen, stream),
        }
    }

    /// A start may take a screen that is in use; nothing later may.
    const fn may_preempt(&self) -> bool {
        !self.memory.had_screen && self.policy.on_busy.preempts()
    }

    fn give_way(&mut self, taken: Taken) {
        self.hold(match self.memory.had_screen {
            true => Hold::TakenOver(taken.by),
            false => Hold::Busy(taken.by),
        });
    }

    fn adopt(&mut self, now: MediaTime, media: &MediaView) {
        self.note("playing", "our stream plays on the TV already");
        let mut progress = Progress::default();
        progress.report(now, media);
        self.play(Watch { since: now, progress });
    }

    fn play(&mut self, watch: Watch) {
        self.memory.had_screen = true;
        self.memory.hold = None;
        self.came_up = true;
        self.trouble = None;
        self.stage = Stage::Playing(watch);
        self.set_volume();
    }

    fn pause(&mut self) {
        self.note("paused", "somebody paused it");
        self.memory.had_screen = true;
        self.trouble = None;
        self.stage = Stage::Paused;
    }

    /// Makes the screen ours, one step further.
    fn take(&mut self, now: MediaTime, screen: Screen, stream: &Stream) {
        // Waking a TV that people switched off is for a start only.
        if self.off && self.memory.had_screen {
            self.stage = Stage::Off;
            return;
        }
        let over = match screen {
            Screen::Free => None,
            Screen::Taken(Taken { run, in_player: false, .. }) => Some(run),
            _ if stream.is_ready() => return self.load(now, stream),
            _ => return self.stage = Stage::AwaitingStream,
        };
        // The first time the player may warm up while the stream does.
        if self.memory.had_screen && !stream.is_ready() {
            self.stage = Stage::AwaitingStream;
            return;
        }
        if self.came_up {
            let allowed = self.breaker.allowed_from(now);
            if allowed > now {
                let why = format!(
                    "the player ended {} times within {} minutes",
                    Breaker::MOST + 1,
                    Breaker::WINDOW.as_secs() / 60
                );
                return self.rest(allowed, "giving-it-a-rest", ChainLink::Player, why);
            }
            self.breaker.start(now);
        }
        self.came_up = false;
        self.ending = false;
        self.memory.hold = None;
        self.note("launching", "the player is called for");
        self.out.push(Effect::Tell(TvCommand::Launch));
        self.stage = Stage::Launching(Launch { since: now, asked: false, over, up: None });
    }

    fn launching(&mut self, now: MediaTime, launch: Launch, screen: Screen, stream: &Stream) {
        match screen {
            Screen::Taken(taken) if launch.over.as_ref() == Some(&taken.run) => {
                self.launch_due(now, launch);
            }
            Screen::Free => self.launch_due(now, launch),
            // The player is up, and will say in a moment what it plays.
            Screen::Unknown if launch.up.is_none() => {
                self.stage = Stage::Launching(Launch { up: Some(now), ..launch });
            }
            Screen::Unknown if launch.until() > now => {}
            // Somebody was faster.
            Screen::Taken(taken) => self.give_way(taken),
            Screen::Unknown | Screen::Empty | Screen::Kin | Screen::Ours(_) => {
                self.came_up = true;
                let app = self.receiver.as_ref().and_then(|view| view.app.as_ref());
                self.launched = app.map(|app| app.session.clone());
                match screen {
                    Screen::Unknown => self.take(now, Screen::Empty, stream),
                    screen => self.decide(now, screen, stream),
                }
            }
        }
    }

    fn launch_due(&mut self, now: MediaTime, launch: Launch) {
        // It was up, and is gone before it played anything.
        if launch.up.is_some() {
            self.came_up = true;
            self.vanish(now);
        } else if launch.until() <= now && launch.asked {
            let why = "nobody at the TV allowed the cast".to_owned();
            self.rest(now + ASK_LIMIT, "permission-not-given", ChainLink::Player, why);
        } else if launch.until() <= now {
            let why = "the TV did not start the player".to_owned();
            self.rest_after_failure(now, "launch-failed", ChainLink::Player, why);
        }
    }

    fn load(&mut self, now: MediaTime, stream: &Stream) {
        self.load_rung(now, self.memory.rung, Rung::COUNT - 1, now, false, stream);
    }

    fn load_rung(
        &mut self,
        now: MediaTime,
        rung: Rung,
        left: u8,
        began: MediaTime,
        rescue: bool,
        stream: &Stream,
    ) {
        let Line::Up { stream: url } = &self.line else {
            return;
        };
        let state_segment_format = rung == Rung::FormatStated;
        let load = Load { url: url.clone(), state_segment_format, title: self.title.clone() };
        self.out.push(Effect::Tell(TvCommand::Load(load)));
        self.note(
            "loading",
            match rung {
                Rung::FormatStated => "the player is told to play, and the segments' format",
                Rung::FormatUnstated => "the player is told to play, without the segments' format",
            },
        );
        self.memory.had_screen = true;
        self.memory.hold = None;
        self.ending = false;
        self.came_up = true;
        self.stage = Stage::Loading(Attempt {
            rung,
            left,
            rescue,
            began,
            until: now + LOAD_LIMIT,
            answered: false,
            before: self.media.clone().flatten(),
            segments: stream.fetched.segments,
            progress: Progress::default(),
            failed: None,
        });
    }

    fn loading(&mut self, now: MediaTime, attempt: Attempt, screen: Screen, stream: &Stream) {
        let due = attempt.until <= now;
        match screen {
            Screen::Free => self.vanish(now),
            Screen::Taken(taken) => {
                // What was there before, or what the player did not name, says nothing yet.
                let before = attempt.before.as_ref().and_then(|before| before.content.as_ref());
                let stale = taken.in_player
                    && (taken.content.is_none() || taken.content.as_ref() == before);
                if !stale || (attempt.answered && taken.content.is_some()) {
                    self.give_way(taken);
                } else if due {
                    self.rung_failed(now, attempt, stream);
                }
            }
            Screen::Ours(_) if attempt.succeeded(stream) => {
                self.note("playing", "the TV plays our stream");
                self.memory.rung = attempt.rung;
                self.backoff.succeeded(now);
                self.play(Watch { since: now, progress: attempt.progress });
            }
            Screen::Ours(media)
                if due && attempt.answered && media.state == PlayerState::Paused =>
            {
                self.pause();
            }
            _ if due => self.rung_failed(now, attempt, stream),
            _ => {}
        }
    }

    fn rung_failed(&mut self, now: MediaTime, attempt: Attempt, stream: &Stream) {
        if self.off {
            self.stage = Stage::Off;
            return;
        }
        let unheard = stream.last_fetch.is_none_or(|fetch| fetch < attempt.began);
        let (link, why) = match attempt.failed {
            _ if unheard => (ChainLink::Network, UNHEARD.to_owned()),
            Some(why) => (ChainLink::Player, why),
            None => (ChainLink::Player, "the player does not begin to play".to_owned()),
        };
        if attempt.rescue {
            self.out.push(Effect::Tell(TvCommand::Stop));
            self.ending = true;
            return self.rest(now + VANISH_PAUSE, "player-ended", link, why);
        }
        if attempt.left == 0 {
            return self.rest_after_failure(now, "load-failed", link, why);
        }
        self.note("load-failed", why.as_str());
        self.trouble = Some((link, why));
        let (rung, left) = (attempt.rung.next(), attempt.left - 1);
        self.load_rung(now, rung, left, attempt.began, false, stream);
    }

    fn playing(&mut self, now: MediaTime, watch: Watch, screen: Screen, stream: &Stream) {
        let media = match screen {
            Screen::Ours(media) => media,
            // Another run of the player, that has not said yet what it plays.
            Screen::Unknown => return self.stage = Stage::Looking { since: now },
            Screen::Free => return self.vanish(now),
            Screen::Taken(taken) => return self.give_way(taken),
            Screen::Kin => return self.decide(now, screen, stream),
            Screen::Empty => {
                let why = why_idle(None).to_owned();
                return self.rest_after_failure(now, "player-stopped", ChainLink::Player, why);
            }
        };
        match media.state {
            PlayerState::Paused => self.pause(),
            PlayerState::Idle(reason @ Some(IdleReason::Interrupted)) => {
                let why = why_idle(reason).to_owned();
                self.rest(now + VANISH_PAUSE, "player-stopped", ChainLink::Player, why);
            }
            PlayerState::Idle(reason) => {
                let why = why_idle(reason).to_owned();
                self.rest_after_failure(now, "player-stopped", ChainLink::Player, why);
            }
            _ if self.hangs_at(now, &watch, stream).is_some_and(|at| at <= now) => {
                let why = "the player says that it plays, and does not move on".to_owned();
                self.note("player-hangs", why.as_str());
                self.trouble = Some((ChainLink::Player, why));
                self.load_rung(now, self.memory.rung, 0, now, true, stream);
            }
            _ => {}
        }
    }

    fn paused(&mut self, now: MediaTime, screen: Screen, stream: &Stream) {
        match screen {
            Screen::Unknown => {}
            Screen::Ours(media) if media.state == PlayerState::Paused => {}
            Screen::Ours(media) if plays(&media) => {
                // What was current when it was paused is not any more.
                self.note("resumed", "somebody let it go on");
                match stream.is_ready() && !self.off {
                    true => self.load(now, stream),
                    false => self.adopt(now, &media),
                }
            }
            Screen::Taken(taken) => self.give_way(taken),
            // TVs end a player that is paused for 20 minutes.
            Screen::Free | Screen::Empty | Screen::Kin | Screen::Ours(_) => {
                let how = "somebody paused it, and then the player ended".to_owned();
                self.hold(Hold::Stopped(how));
            }
        }
    }

    fn held(
        &mut self,
        now: MediaTime,
        by: Hold,
        idle_since: Option<MediaTime>,
        screen: Screen,
        stream: &Stream,
    ) {
        let idle_since = match &screen {
            Screen::Ours(media) if plays(media) || media.state == PlayerState::Paused => {
                return self.decide(now, screen, stream);
            }
            // A TV that people switched off is not waiting for us.
            _ if screen.is_idle() && !self.off => idle_since.or(Some(now)),
            _ => None,
        };
        let after = self.policy.returns_after(&by);
        match idle_since.zip(after) {
            Some((since, after)) if since + after.into() <= now => {
                self.note("returning", "the screen has been idle for long enough");
                self.take(now, screen, stream);
            }
            _ => {
                let by = match screen {
                    Screen::Taken(taken) => match by {
                        Hold::Busy(_) => Hold::Busy(taken.by),
                        Hold::TakenOver(_) | Hold::Stopped(_) => Hold::TakenOver(taken.by),
                    },
                    _ => by,
                };
                self.stage = Stage::Held { by, idle_since };
            }
        }
    }

    fn vanish(&mut self, now: MediaTime) {
        let why = "the player is gone from the TV".to_owned();
        self.rest(now + VANISH_PAUSE, "player-vanished", ChainLink::Player, why);
    }
}

/// When a TV is told to play and never asks for anything, it cannot.
pub(super) const UNHEARD: &str =
    "the TV does not fetch the stream: does a firewall keep it from this machine?";

fn plays(media: &MediaView) -> bool {
    !matches!(media.state, PlayerState::Paused | PlayerState::Idle(_))
}
