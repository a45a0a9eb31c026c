//! The TVs as the core wants to see them.

use std::{io, pin::Pin, sync::Arc};

use super::{
    Device, DeviceWatch, Devices,
    google::{self, Connection, Timing},
};
use crate::{
    error::sentence,
    ids::DeviceId,
    session::{
        Quality,
        tv::{Announcements, Connecting, Tv, TvChoice, Tvs},
    },
};

/// A TV with more addresses than that has one that works among the first.
const MOST_ADDRESSES: usize = 2;

/// Connects to whatever is on the list.
#[derive(Debug)]
pub struct Receivers {
    devices: Arc<Devices>,
}

impl Receivers {
    pub const fn new(devices: Arc<Devices>) -> Self {
        Self { devices }
    }

    async fn reach(&self, id: &DeviceId) -> io::Result<Tv> {
        let addresses = self.devices.get(id).map(|device| device.addresses).unwrap_or_default();
        let mut last = io::Error::new(
            io::ErrorKind::NotFound,
            "it has no address: it does not announce itself, and a name given to it means nothing",
        );
        for (dead, address) in addresses.into_iter().take(MOST_ADDRESSES).enumerate() {
            match google::connect(address, Timing::default()).await {
                Ok(connection) => {
                    if dead > 0 {
                        // It moved, and what it announced before would be tried first each time.
                        self.devices.doubt(id);
                    }
                    self.devices.follow_power(id, connection.standby.clone());
                    return Ok(tv(connection));
                }
                Err(error) => last = io::Error::other(sentence(&error)),
            }
        }
        self.devices.doubt(id);
        Err(last)
    }
}

fn tv(connection: Connection) -> Tv {
    let Connection { link, local, end, .. } = connection;
    let end = Box::pin(async move {
        match end.await {
            Ok(Ok(())) => "it was closed from our side".to_owned(),
            Ok(Err(lost)) => sentence(&lost),
            Err(error) => sentence(&error),
        }
    });
    Tv { link, local, end }
}

impl Tvs for Receivers {
    fn connect<'a>(&'a self, device: &'a DeviceId) -> Connecting<'a> {
        Box::pin(self.reach(device))
    }

    fn are_same(&self, one: &DeviceId, other: &DeviceId) -> bool {
        let id = |name: &DeviceId| self.devices.get(name).map(|device| device.id);
        one == other || id(one).is_some_and(|one| Some(one) == id(other))
    }

    fn follow(&self, device: &DeviceId) -> Box<dyn Announcements> {
        Box::new(self.devices.watch(device))
    }
}

impl Announcements for DeviceWatch {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.announcement())
    }
}

impl From<Device> for TvChoice {
    fn from(device: Device) -> Self {
        let best = best(device.model.as_deref().unwrap_or_default());
        Self { id: device.id, name: device.name, best }
    }
}

/// Screens of 1024x600 and 1280x800 decode no more than 720p.
///
/// Source: "Supported media" in Google's Cast documentation.
fn best(model: &str) -> Quality {
    let is_small = ["nest hub", "home hub", "smart display", "smart clock"]
        .iter()
        .any(|kind| model.to_lowercase().contains(kind));
    if is_small { Quality::Hd720 } else { Quality::Hd1080 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_screens_get_a_small_picture() {
        for (model, expected) in [
            ("Google Nest Hub", Quality::Hd720),
            ("Google Nest Hub Max", Quality::Hd720),
            ("Lenovo Smart Display 8", Quality::Hd720),
            ("Chromecast", Quality::Hd1080),
            ("BRAVIA 4K VH2", Quality::Hd1080),
            ("", Quality::Hd1080),
        ] {
            assert_eq!(best(model), expected, "{model}");
        }
    }
}
