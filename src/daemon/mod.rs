//! The daemon: where all parts meet.

mod parts;
mod runtime;
mod startup;

pub use startup::{Daemon, StartupError};
