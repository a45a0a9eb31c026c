//! Google Cast: which TVs there are.
//!
//! What TVs say of themselves and what the configuration says of them meet in one list ([`Devices`]),
//! which is filled by [`Discovery`].

mod announcement;
mod choice;
mod device;
mod devices;
mod discovery;
mod fixed;
mod list;
mod network;

pub use choice::ChooseError;
pub use device::{Device, Found};
pub use devices::{DeviceWatch, Devices};
pub use discovery::Discovery;
pub use network::{SearchError, can_search};
