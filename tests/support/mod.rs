//! What the tests of the whole program share.

pub(crate) mod chromium;
pub(crate) mod clock;
pub(crate) mod daemon;
pub(crate) mod files;
pub(crate) mod netdata;
pub(crate) mod players;
pub(crate) mod processes;
pub(crate) mod wait;
