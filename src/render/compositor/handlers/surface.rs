//! `wl_compositor` and `wl_subcompositor`: surfaces and their commits.

use std::sync::LazyLock;

use smithay::{
    delegate_compositor,
    reexports::wayland_server::{
        Client,
        backend::{ClientData, ClientId, DisconnectReason},
        protocol::wl_surface::WlSurface,
    },
    wayland::compositor::{CompositorClientState, CompositorHandler, CompositorState},
};

use crate::render::compositor::{scene, state::State};

/// For a client that did not come through our socket. There is none; smithay's signature wants one.
static STRANGER: LazyLock<CompositorClientState> = LazyLock::new(Default::default);

/// What smithay keeps for each client.
#[derive(Default)]
pub(in crate::render::compositor) struct ClientState {
    compositor: CompositorClientState,
}

impl ClientData for ClientState {
    fn disconnected(&self, _: ClientId, reason: DisconnectReason) {
        tracing::debug!(?reason, "the browser left the display");
    }
}

impl CompositorHandler for State {
    fn compositor_state(&mut self) -> &mut CompositorState {
        &mut self.globals.compositor
    }

    fn client_compositor_state<'a>(&self, client: &'a Client) -> &'a CompositorClientState {
        match client.get_data::<ClientState>() {
            Some(state) => &state.compositor,
            None => &STRANGER,
        }
    }

    fn commit(&mut self, surface: &WlSurface) {
        let callbacks = scene::commit(surface);
        self.committed(surface, callbacks);
    }
}

delegate_compositor!(State);
