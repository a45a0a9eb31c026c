//! `xdg_shell`: every window gets the whole screen, popups lie where they ask to.

use smithay::{
    delegate_xdg_shell,
    reexports::wayland_server::protocol::{wl_output::WlOutput, wl_seat::WlSeat},
    utils::Serial,
    wayland::shell::xdg::{
        PopupSurface, PositionerState, ToplevelSurface, XdgShellHandler, XdgShellState,
    },
};

use crate::render::compositor::state::State;

impl XdgShellHandler for State {
    fn xdg_shell_state(&mut self) -> &mut XdgShellState {
        &mut self.globals.xdg_shell
    }

    fn new_toplevel(&mut self, surface: ToplevelSurface) {
        self.add_window(surface);
    }

    fn toplevel_destroyed(&mut self, surface: ToplevelSurface) {
        self.remove_window(&surface);
    }

    fn new_popup(&mut self, surface: PopupSurface, positioner: PositionerState) {
        self.place_popup(&surface, positioner);
        self.add_popup(surface);
    }

    fn reposition_request(
        &mut self,
        surface: PopupSurface,
        positioner: PositionerState,
        token: u32,
    ) {
        self.place_popup(&surface, positioner);
        surface.send_repositioned(token);
    }

    fn popup_destroyed(&mut self, surface: PopupSurface) {
        self.remove_popup(&surface);
    }

    /// There is no seat, so there is nothing to grab.
    fn grab(&mut self, _: PopupSurface, _: WlSeat, _: Serial) {}

    /// A window is always the size of the screen; it is told so again.
    fn fullscreen_request(&mut self, surface: ToplevelSurface, _: Option<WlOutput>) {
        surface.send_configure();
    }

    fn unfullscreen_request(&mut self, surface: ToplevelSurface) {
        surface.send_configure();
    }

    fn maximize_request(&mut self, surface: ToplevelSurface) {
        surface.send_configure();
    }

    fn unmaximize_request(&mut self, surface: ToplevelSurface) {
        surface.send_configure();
    }
}

delegate_xdg_shell!(State);
