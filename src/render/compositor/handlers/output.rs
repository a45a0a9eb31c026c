//! The one screen there is.

use smithay::{delegate_output, wayland::output::OutputHandler};

use crate::render::compositor::state::State;

impl OutputHandler for State {}

delegate_output!(State);
