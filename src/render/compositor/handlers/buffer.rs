//! Pixels: `wl_shm`, and the one-pixel buffers that browsers use for backgrounds.

use smithay::{
    delegate_shm, delegate_single_pixel_buffer, delegate_viewporter,
    reexports::wayland_server::protocol::wl_buffer::WlBuffer,
    wayland::{
        buffer::BufferHandler,
        shm::{ShmHandler, ShmState},
    },
};

use crate::render::compositor::state::State;

impl BufferHandler for State {
    /// Nothing to do: a destroyed buffer can no longer be read, and drawing skips what it cannot read.
    fn buffer_destroyed(&mut self, _: &WlBuffer) {}
}

impl ShmHandler for State {
    fn shm_state(&self) -> &ShmState {
        &self.globals.shm
    }
}

delegate_shm!(State);
delegate_single_pixel_buffer!(State);
delegate_viewporter!(State);
