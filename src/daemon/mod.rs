//! The daemon: where all parts meet.

mod casts;
mod doctor;
mod memory;
mod parts;
mod reload;
mod runtime;
mod service;
mod startup;
mod state;

pub use memory::give_back_what_is_large;
pub use runtime::state_directory;
pub use startup::{Daemon, StartupError, Surroundings};
