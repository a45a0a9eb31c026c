//! What the tests of the whole program share.

pub(crate) mod booted;
pub(crate) mod bus;
pub(crate) mod chromium;
pub(crate) mod clock;
pub(crate) mod daemon;
pub(crate) mod files;
pub(crate) mod netdata;
pub(crate) mod packages;
pub(crate) mod pages;
pub(crate) mod players;
pub(crate) mod playlist;
pub(crate) mod processes;
pub(crate) mod rig;
pub(crate) mod stage;
pub(crate) mod tv;
pub(crate) mod wait;
