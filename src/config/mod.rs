//! What the administrator may choose.
//!
//! A configuration is read in three steps: find the files ([`locate`] or [`read_files`]), lay them
//! over each other key by key, and turn what is on top into a [`Config`] ([`Config::load`]). Each
//! value keeps its place in its file, so that whatever is wrong with it can be said as
//! `file:line:column`, also after it was laid over others.

mod devices;
mod document;
mod fragments;
mod pages;
mod problem;
mod reader;
mod sections;
mod token;
mod value;

pub use devices::{StaticDevice, StaticDeviceError};
pub use fragments::{Fragment, locate, read_files};
pub use pages::{AddressError, AllowedPage, HttpsOrigin, Origin, PagePolicy, PolicyError};
pub use problem::{ConfigError, Place, Problem, Warning};
pub use reader::{Loaded, Setting};
pub use sections::{Browser, Config, Devices, Http, Pages, Sessions, Stream};
pub use token::{Secret, TokenFileError, read_token};
pub use value::{ByteSize, TimeSpan, UnitError};
