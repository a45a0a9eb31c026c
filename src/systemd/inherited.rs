//! Sockets that systemd opened before this process was there.

use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};

use libsystemd::activation;
use thiserror::Error;

/// The descriptors that systemd handed over, by their `FileDescriptorName=`.
///
/// <https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html>
#[derive(Debug, Default)]
pub struct Inherited(Vec<(String, OwnedFd)>);

/// What systemd says about them makes no sense.
#[derive(Debug, Error)]
#[error("taking over the sockets of systemd: {0}")]
pub struct InheritError(String);

impl Inherited {
    /// Takes them over, the first time it is called; later there are none. To be called while this
    /// process has one thread: it takes the variables that tell of them out of the environment, lest a
    /// child believe that they are its own.
    ///
    /// # Errors
    /// `LISTEN_FDS` is no number, or tells of descriptors that are not open.
    pub fn take() -> Result<Self, InheritError> {
        let given = activation::receive_descriptors_with_names(true);
        let given = given.map_err(|error| InheritError(error.to_string()))?;
        let owned = given.into_iter().map(|(descriptor, name)| {
            // SAFETY: systemd opened it for this process, and the variables that tell of it are gone,
            // so that nobody takes it a second time.
            let descriptor = unsafe { OwnedFd::from_raw_fd(descriptor.into_raw_fd()) };
            (name, descriptor)
        });
        Ok(Self(owned.collect()))
    }

    /// The first one of this name that is left.
    pub fn remove(&mut self, name: &str) -> Option<OwnedFd> {
        let at = self.0.iter().position(|(given, _)| given == name)?;
        Some(self.0.swap_remove(at).1)
    }
}
