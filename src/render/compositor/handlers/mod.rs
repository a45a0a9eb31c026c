//! One Wayland protocol a file.

mod buffer;
mod output;
mod seat;
mod surface;
mod xdg_shell;

pub(super) use surface::ClientState;
