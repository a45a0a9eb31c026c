//! The one screen there is, and when it was looked at.

use smithay::{delegate_output, delegate_presentation, wayland::output::OutputHandler};

use crate::render::compositor::state::State;

impl OutputHandler for State {}

delegate_output!(State);
delegate_presentation!(State);
