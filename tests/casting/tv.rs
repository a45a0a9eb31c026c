//! A TV whose player fetches what it is told to play.

use std::{
    ops::Deref,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    house::PATIENCE,
    scripted::{
        ScriptedTv,
        wire::{MEDIA, RECEIVER},
    },
    support::wait::wait_for,
    viewer::Viewer,
};

/// Longer than the program waits before it tries anything again.
const QUIET: Duration = Duration::from_secs(6);

/// Does what a test says.
pub(crate) struct Tv {
    pub(crate) viewer: Viewer,
    scripted: Arc<ScriptedTv>,
}

impl Deref for Tv {
    type Target = ScriptedTv;

    fn deref(&self) -> &ScriptedTv {
        &self.scripted
    }
}

impl Tv {
    pub(crate) fn start() -> Self {
        let scripted = Arc::new(ScriptedTv::start());
        Self { viewer: Viewer::of(Arc::clone(&scripted)), scripted }
    }

    /// What it was told to do, in order; questions and courtesies are left out.
    pub(crate) fn commands(&self) -> Vec<String> {
        let told = self.calls().into_iter().filter_map(|call| {
            let kind = call.kind();
            let idle = matches!(kind, "GET_STATUS" | "GET_APP_AVAILABILITY");
            match call.namespace.as_str() {
                RECEIVER if !idle => Some(kind.to_owned()),
                MEDIA if !idle && kind == "STOP" => Some("STOP media".to_owned()),
                MEDIA if !idle => Some(kind.to_owned()),
                _ => None,
            }
        });
        told.collect()
    }

    /// Checks that it is told nothing more, for longer than anything is ever waited with.
    #[track_caller]
    pub(crate) fn check_left_alone(&self) {
        let before = self.commands();
        let end = Instant::now() + QUIET;
        wait_for("end of the quiet", 2 * QUIET, || {
            assert_eq!(self.commands(), before, "it is not left alone");
            (Instant::now() >= end).then_some(())
        });
    }

    #[track_caller]
    pub(crate) fn wait_commands(&self, commands: &[&str]) {
        wait_for(&format!("{commands:?}"), PATIENCE, || {
            (self.commands() == commands).then_some(())
        });
    }

    /// Waits until what the TV has said was heard: it is asked again, and once more after that.
    #[track_caller]
    pub(crate) fn wait_heard(&self) {
        let asked = self.calls_of("GET_STATUS").len();
        wait_for("a question", PATIENCE, || {
            (self.calls_of("GET_STATUS").len() >= asked + 2).then_some(())
        });
    }

    /// The address of the last stream that it was told to play.
    #[track_caller]
    pub(crate) fn content(&self) -> String {
        let loads = self.calls_of("LOAD");
        let load = loads.last().expect("a LOAD");
        load.body["media"]["contentId"].as_str().expect("a contentId").to_owned()
    }

    /// Checks that its player saw nothing of that stream which a player would not forgive.
    #[track_caller]
    pub(crate) fn check_sound(&self) {
        let seen = self.viewer.seen(&self.content());
        assert!(seen.segments > 0 && seen.complaints.is_empty(), "{seen:?}");
    }
}
