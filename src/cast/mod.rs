//! Adapter: TVs. Each kind of receiver is spoken to in its own module and is a [`Tv`] to the core.
//!
//! [`Tv`]: crate::session::tv::Tv

pub mod google;
