//! The core: what a session is, what may happen to it, and what follows. It knows neither HTTP nor
//! D-Bus, neither Chromium nor libav; adapters implement its [`ports`].

mod answer;
mod auth;
mod backoff;
pub mod cast;
mod caster;
mod encoding;
mod end;
mod error;
mod list;
mod order;
pub mod ports;
mod production;
mod registry;
mod request;
mod rules;
mod snapshot;
mod state;
mod task;
pub mod tv;

pub use crate::media::{Audio, Mode, Quality};
pub use answer::{Health, Stopped};
pub use auth::{Auth, AuthError, Basic};
pub use encoding::{Api, Encoding, Proof, Refusal, VaDriver};
pub use end::EndReason;
pub use error::{NavigateError, PictureError, StartError, StartErrorKind};
pub(crate) use list::redact;
pub use order::Order;
pub use registry::{Outside, Registry};
pub(crate) use request::parse_url;
pub use request::{CastSpec, Defaults, RequestError, SessionSpec, StartRequest};
pub use rules::Rules;
pub use snapshot::{PageView, Sent, Snapshot, StateView, StreamView};
