//! The core: what a session is, what may happen to it, and what follows. It knows neither HTTP nor
//! D-Bus, neither Chromium nor libav; adapters implement its [`ports`].

mod backoff;
pub mod ports;
mod request;
mod snapshot;
mod state;

pub use request::{Audio, Auth, Basic, Mode, Quality, RequestError, SessionSpec, StartRequest};
pub use snapshot::{PageView, Snapshot, StateView, StreamView};
pub use state::EndReason;
