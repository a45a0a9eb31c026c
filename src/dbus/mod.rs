//! The edge to D-Bus: `org.dashboardcast1`, for `busctl`, the command line and other programs.
//!
//! As the HTTP edge it translates and decides nothing but who may call ([`authorize`]); what is true
//! comes from [`Core`](crate::control::Core). One file for each interface; signals of any kind are
//! sent in [`publisher`] and nowhere else. The command line asks through [`proxy`].

mod authorize;
mod device;
mod edge;
mod error;
mod health;
mod manager;
mod names;
mod object;
mod options;
pub mod proxy;
mod publisher;
mod service;
mod session;
mod turns;

pub use error::BusError;
pub use names::Bus;
pub use service::{Seat, Service};
