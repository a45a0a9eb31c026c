//! Adapter: the TVs, which there are and how they are spoken to.
//!
//! What TVs say of themselves and what the configuration says of them meet in one list ([`Devices`]),
//! which is filled by [`Discovery`]. Each kind of receiver is spoken to in its own module and is a
//! [`Tv`](crate::session::tv::Tv) to the core.

mod announcement;
mod choice;
mod device;
mod devices;
mod discovery;
mod fixed;
pub mod google;
mod list;
mod network;
mod tvs;

pub use choice::ChooseError;
pub use device::{Device, Found, Power};
pub use devices::{DeviceWatch, Devices};
pub use discovery::Discovery;
pub use network::{SearchError, can_search};
pub use tvs::Receivers;
