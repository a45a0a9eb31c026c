//! What the administrator may choose.
//!
//! A configuration is read in three steps: find the files ([`locate`] or [`read_files`]), lay them
//! over each other key by key, and turn what is on top into a [`Config`] ([`Config::load`]). Each
//! value keeps its place in its file, so that whatever is wrong with it can be said as
//! `file:line:column`, also after it was laid over others.
//!
//! [`Source`] does that for a running program, as often as it is asked to; what has changed since is
//! a list of [`Difference`]s.

mod casts;
mod devices;
mod difference;
mod document;
mod fragments;
mod gpu;
mod pages;
mod problem;
mod reader;
mod sections;
mod source;
mod token;
mod value;

pub use casts::{Cast, OnBusy};
pub use devices::{StaticDevice, StaticDeviceError};
pub use difference::{Counts, Difference};
pub use fragments::{Fragment, locate, read_files};
pub use gpu::{GpuChoice, GpuChoiceError};
pub use pages::{AddressError, AllowedPage, HttpsOrigin, Origin, PagePolicy, PolicyError};
pub use problem::{ConfigError, Place, Problem, Warning};
pub use reader::{Loaded, Setting};
pub use sections::{Browser, Config, Devices, Encoder, Http, Pages, Service, Sessions, Stream};
pub use source::{Settings, SettingsError, Source};
pub use token::{ControlToken, TokenError, TokenFileError, read_token};
pub use value::{ByteSize, TimeSpan, UnitError};
