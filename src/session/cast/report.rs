//! What a cast says of itself: for people, and for the verdict.

use super::{
    machine::{Line, Machine},
    policy::Hold,
    stage::Stage,
    verdict::Claim,
};
use crate::session::StateView;

impl Machine {
    pub(super) fn claim(&self) -> Claim {
        match &self.stage {
            Stage::Off => return Claim::Off(self.why_off()),
            Stage::Playing(_) | Stage::Paused | Stage::Resting { .. } | Stage::Held { .. }
                if self.off =>
            {
                return Claim::Off(self.why_off());
            }
            Stage::Held { by, .. } => return Claim::Taken(by.why()),
            Stage::Paused => return Claim::Taken("somebody paused it".to_owned()),
            Stage::Playing(watch) => {
                return Claim::Playing { watch: *watch, covered: self.says_inactive() };
            }
            Stage::Loading(attempt) => {
                return Claim::Loading { began: attempt.began, trouble: self.trouble.clone() };
            }
            _ => {}
        }
        match &self.trouble {
            Some((link, why)) => Claim::Failing(*link, why.clone()),
            None => Claim::Opening(self.step().to_owned()),
        }
    }

    /// Our stream plays, for all that the TV says.
    pub(super) const fn is_on_screen(&self) -> bool {
        matches!(self.stage, Stage::Playing(_)) && !self.off
    }

    /// People have taken the screen from us: nothing happens there until they, or another start, want it. One
    /// that was never ours is waited for.
    pub(super) const fn is_left_to_people(&self) -> bool {
        let waits = matches!(self.stage, Stage::Held { by: Hold::Busy(_), .. });
        !waits && matches!(self.stage, Stage::Held { .. } | Stage::Paused)
    }

    fn why_off(&self) -> String {
        let standby = self.receiver.as_ref().is_some_and(|view| view.standby == Some(true));
        if standby { "the TV is in standby" } else { "the TV shows another input" }.to_owned()
    }

    fn step(&self) -> &'static str {
        match &self.stage {
            Stage::Looking { .. } => "the TV is asked what it shows",
            Stage::Launching(launch) if launch.asked => {
                "somebody at the TV is asked to allow the cast"
            }
            Stage::Launching(_) => "the TV starts the player",
            Stage::AwaitingStream => "the stream's first segment is awaited",
            Stage::Loading(_) => "the player is about to begin",
            Stage::Playing(_) => "the player plays",
            Stage::Paused | Stage::Held { .. } | Stage::Off | Stage::Resting { .. } => {
                "waiting for the TV"
            }
            Stage::Leaving { .. } => "the TV is asked whether it still plays what is over",
            Stage::Ended => "the cast is over",
        }
    }

    pub(super) fn view(&self) -> StateView {
        let view = |name, detail: Option<String>| StateView { name, detail };
        match &self.stage {
            Stage::Leaving { .. } | Stage::Ended => return view("ended", None),
            Stage::Held { by: Hold::Stopped(how), .. } => {
                return view("stood-down", Some(how.clone()));
            }
            Stage::Held { by: Hold::Busy(to) | Hold::TakenOver(to), .. } => {
                return view("yielded", Some(to.clone()));
            }
            _ => {}
        }
        match &self.line {
            Line::Down { why, .. } => return view("connecting", Some(why.clone())),
            Line::Connecting { why } => return view("connecting", why.clone()),
            Line::Up { .. } => {}
        }
        let trouble = || self.trouble.as_ref().map(|(_, why)| why.clone());
        match &self.stage {
            Stage::Playing(_) if self.off => view("tv-off", Some(self.why_off())),
            Stage::Off => view("tv-off", Some(self.why_off())),
            Stage::Playing(_) => view("playing", None),
            Stage::Paused => view("paused", None),
            Stage::Looking { .. } => view("looking", None),
            Stage::Launching(launch) if launch.asked => view("permission-asked", None),
            Stage::Launching(_) => view("launching", trouble()),
            Stage::AwaitingStream => view("awaiting-stream", None),
            Stage::Loading(_) => view("loading", trouble()),
            Stage::Held { .. } | Stage::Resting { .. } | Stage::Leaving { .. } | Stage::Ended => {
                view("waiting", trouble())
            }
        }
    }
}
