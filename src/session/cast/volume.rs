//! The loudness of a TV: left alone unless asked for, borrowed if asked for, and given back.

use std::mem;

use serde::{Deserialize, Serialize};

use crate::session::tv::{ReceiverView, TvCommand};

/// A level that was changed and must be changed back.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Borrowed {
    /// What it was, from 0 to 1.
    pub before: f64,
    /// What we made of it. When it is something else later, a person changed it.
    pub ours: f64,
    /// What was asked for, which a TV with steps makes `ours` of.
    #[serde(default)]
    pub asked: Option<f64>,
}

#[derive(Debug)]
pub(super) struct Volume {
    wanted: Option<f64>,
    borrowed: Option<Borrowed>,
    /// The level at the time of the last command, until the TV reports another one. TVs have steps:
    /// what they report then need not be what they were told.
    leaving: Option<f64>,
    /// A daemon before gave the command, and may have ended before it was heard.
    unheard: bool,
}

/// Levels closer than this are the same: they pass through text and single precision.
const SAME: f64 = 0.005;

fn same(one: f64, other: f64) -> bool {
    (one - other).abs() < SAME
}

impl Volume {
    /// `resumes`: the cast goes on after a restart. What is borrowed may as well be left from another.
    pub(super) fn new(wanted: Option<f64>, borrowed: Option<Borrowed>, resumes: bool) -> Self {
        // A level that is not borrowed any more is the one that people want.
        let wanted = wanted.filter(|_| !resumes || borrowed.is_some());
        let mut volume = Self { wanted: None, borrowed, leaving: None, unheard: false };
        volume.want(wanted);
        volume.unheard = resumes && borrowed.is_some();
        volume
    }

    pub(super) const fn borrowed(&self) -> Option<Borrowed> {
        self.borrowed
    }

    /// What is no level is not wanted.
    fn want(&mut self, level: Option<f64>) {
        self.wanted = level.filter(|level| level.is_finite()).map(|level| level.clamp(0.0, 1.0));
    }

    /// What to tell a TV on which we play. A muted one is left alone, also later: many sets un-mute when
    /// their level is set.
    pub(super) fn apply(&mut self, receiver: Option<&ReceiverView>) -> Option<TvCommand> {
        let (wanted, receiver) = (self.wanted?, receiver?);
        let level = receiver.volume?;
        self.wanted = None;
        self.unheard = false;
        let is_so = self.borrowed.is_some_and(|borrowed| {
            same(level, borrowed.ours) && borrowed.asked.is_some_and(|asked| same(asked, wanted))
        });
        if is_so || same(level, wanted) || receiver.muted == Some(true) {
            return None;
        }
        let before = self.borrowed.map_or(level, |borrowed| borrowed.before);
        self.borrowed = Some(Borrowed { before, ours: wanted, asked: Some(wanted) });
        self.leaving = Some(level);
        Some(TvCommand::SetVolume(wanted))
    }

    /// What was told last may not have been heard.
    pub(super) fn disconnected(&mut self) {
        if self.leaving.take().is_some() {
            self.wanted = self.borrowed.and_then(|borrowed| borrowed.asked);
        }
    }

    /// Takes in what the TV says. A level that somebody else set is theirs.
    pub(super) fn reported(&mut self, receiver: &ReceiverView) {
        let (Some(borrowed), Some(level)) = (&mut self.borrowed, receiver.volume) else {
            return;
        };
        match self.leaving {
            Some(leaving) if same(level, leaving) => {}
            Some(_) => {
                borrowed.ours = level;
                self.leaving = None;
            }
            None if same(level, borrowed.ours) => self.settle(),
            None if self.unheard && same(level, borrowed.before) => {}
            None => {
                self.borrowed = None;
                self.settle();
            }
        }
    }

    /// After a restart it is known now what became of what was told: all that comes is a person's.
    fn settle(&mut self) {
        if mem::take(&mut self.unheard) {
            self.wanted = None;
        }
    }

    /// Gives the level back, unless the TV is muted or cannot be asked: then it stays borrowed.
    pub(super) fn give_back(&mut self, receiver: Option<&ReceiverView>) -> Option<TvCommand> {
        let receiver = receiver?;
        receiver.volume?;
        if receiver.muted == Some(true) {
            return None;
        }
        self.leaving = None;
        let borrowed = self.borrowed.take()?;
        Some(TvCommand::SetVolume(borrowed.before))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tv(level: f64, muted: bool) -> ReceiverView {
        ReceiverView { volume: Some(level), muted: Some(muted), ..ReceiverView::default() }
    }

    fn lowered() -> Volume {
        let mut volume = Volume::new(Some(0.2), None, false);
        assert_eq!(volume.apply(Some(&tv(0.5, false))), Some(TvCommand::SetVolume(0.2)));
        volume
    }

    #[test]
    fn the_volume_is_left_alone_unless_asked_for() {
        let mut volume = Volume::new(None, None, false);
        assert_eq!(volume.apply(Some(&tv(0.5, false))), None);
        assert_eq!(volume.give_back(Some(&tv(0.5, false))), None);
        volume.want(Some(f64::NAN));
        assert_eq!(volume.apply(Some(&tv(0.5, false))), None);
    }

    #[test]
    fn the_old_level_comes_back_even_from_a_tv_with_coarse_steps() {
        let mut volume = lowered();
        volume.reported(&tv(0.5, false));
        volume.reported(&tv(0.24, false));
        assert_eq!(volume.borrowed(), Some(Borrowed { before: 0.5, ours: 0.24, asked: Some(0.2) }));
        assert_eq!(volume.give_back(Some(&tv(0.24, false))), Some(TvCommand::SetVolume(0.5)));
        assert_eq!(volume.borrowed(), None);
    }

    #[test]
    fn a_level_that_a_person_set_stays() {
        let mut volume = lowered();
        volume.reported(&tv(0.2, false));
        volume.reported(&tv(0.3, false));
        assert_eq!(volume.borrowed(), None);
        assert_eq!(volume.give_back(Some(&tv(0.3, false))), None);
    }

    #[test]
    fn a_level_that_changed_while_the_daemon_was_away_stays() {
        let mut volume =
            Volume::new(Some(0.2), Some(Borrowed { before: 0.5, ours: 0.2, asked: None }), true);
        volume.reported(&tv(0.7, false));
        assert_eq!(volume.give_back(Some(&tv(0.7, false))), None);
    }

    #[test]
    fn a_level_that_was_turned_back_by_hand_is_not_borrowed_any_more() {
        let mut volume = lowered();
        volume.reported(&tv(0.2, false));
        volume.reported(&tv(0.5, false));
        assert_eq!(volume.borrowed(), None);
    }

    #[test]
    fn what_another_cast_borrowed_does_not_keep_the_next_from_what_it_wants() {
        let left = Some(Borrowed { before: 0.5, ours: 0.2, asked: None });
        let mut volume = Volume::new(Some(0.3), left, false);
        volume.reported(&tv(0.7, false));
        assert_eq!(volume.apply(Some(&tv(0.7, false))), Some(TvCommand::SetVolume(0.3)));
        assert_eq!(volume.borrowed(), Some(Borrowed { before: 0.7, ours: 0.3, asked: Some(0.3) }));
    }

    #[test]
    fn a_muted_tv_stays_muted() {
        let mut volume = Volume::new(Some(0.2), None, false);
        assert_eq!(volume.apply(Some(&tv(0.5, true))), None);
        assert_eq!(volume.apply(Some(&tv(0.5, false))), None, "nor when somebody wants to hear it");
        let mut volume = lowered();
        volume.reported(&tv(0.2, true));
        assert_eq!(volume.give_back(Some(&tv(0.2, true))), None);
        assert_eq!(volume.give_back(Some(&tv(0.2, false))), Some(TvCommand::SetVolume(0.5)));
    }

    #[test]
    fn the_first_level_is_kept_through_several_wishes() {
        let mut volume = lowered();
        volume.reported(&tv(0.2, false));
        volume.want(Some(0.9));
        assert_eq!(volume.apply(Some(&tv(0.2, false))), Some(TvCommand::SetVolume(0.9)));
        let both = Borrowed { before: 0.5, ours: 0.9, asked: Some(0.9) };
        assert_eq!(volume.borrowed(), Some(both));
    }

    #[test]
    fn a_tv_with_coarse_steps_is_not_told_again_what_it_was_told() {
        let left = Some(Borrowed { before: 0.5, ours: 0.24, asked: Some(0.2) });
        for resumes in [false, true] {
            let mut volume = Volume::new(Some(0.2), left, resumes);
            volume.reported(&tv(0.24, false));
            assert_eq!(volume.apply(Some(&tv(0.24, false))), None);
            assert_eq!(volume.borrowed(), left);
        }
    }

    #[test]
    fn what_was_not_heard_is_told_again() {
        let mut volume = lowered();
        volume.disconnected();
        volume.reported(&tv(0.5, false));
        assert_eq!(volume.apply(Some(&tv(0.5, false))), Some(TvCommand::SetVolume(0.2)));
        volume.reported(&tv(0.2, false));
        volume.disconnected();
        assert_eq!(volume.apply(Some(&tv(0.2, false))), None);
    }

    #[test]
    fn whoever_turns_it_up_while_we_wait_after_a_restart_is_not_turned_down() {
        let lent = Some(Borrowed { before: 0.5, ours: 0.2, asked: Some(0.2) });
        let mut volume = Volume::new(Some(0.2), lent, true);
        volume.reported(&tv(0.2, false));
        volume.reported(&tv(0.6, false));
        assert_eq!(volume.apply(Some(&tv(0.6, false))), None);
    }
}
