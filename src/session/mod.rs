//! The core: what a session is, what may happen to it, and what follows. It knows neither HTTP nor
//! D-Bus, neither Chromium nor libav; adapters implement its [`ports`].

mod actor;
mod answer;
mod backoff;
pub mod cast;
mod error;
pub mod ports;
mod registry;
mod request;
mod snapshot;
mod state;
pub mod tv;

pub use crate::media::{Audio, Mode, Quality};
pub use answer::{Health, Stopped};
pub use error::{PictureError, StartError, StartErrorKind};
pub use registry::{Registry, Rules};
pub use request::{Auth, Basic, Defaults, RequestError, SessionSpec, StartRequest};
pub use snapshot::{PageView, Snapshot, StateView, StreamView};
pub use state::EndReason;
