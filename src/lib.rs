//! dashboard-cast keeps web dashboards on TVs.
//!
//! The map of the house, in the direction the data flows:
//!
//! page ([`render::browser`]) → compositor ([`render::compositor`]) → picture → encoder ([`encode`])
//! → segment ([`package`]) → TV ([`http`]), which is told to fetch it ([`cast`]).
//!
//! [`cast`] knows which TVs there are. [`http`] and [`dbus`] are for those who ask for something, and
//! say the same.
//!
//! [`doctor`] finds out why a GPU is not used or a TV is dark, [`proxmox`] gives a guest the GPU.
//!
//! [`session`] is the core that holds it together and knows none of them; [`worker`] starts the
//! processes it needs, [`process`] is what runs inside those, [`daemon`] is where all meet.

pub mod access;
pub mod activity;
pub mod cast;
pub mod cli;
pub mod config;
pub mod control;
pub mod daemon;
pub mod dbus;
pub mod doctor;
mod dpkg;
pub mod encode;
mod error;
pub mod gpu;
pub mod http;
pub mod ids;
pub mod keep;
pub mod media;
pub mod package;
pub mod privileges;
pub mod process;
pub mod proxmox;
pub mod render;
pub mod session;
mod shares;
pub mod systemd;
pub mod units;
pub mod worker;
