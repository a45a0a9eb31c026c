//! `org.dashboardcast1.Device`.

use std::sync::Arc;

use zbus::{OwnedObjectPath, interface};

use super::{
    edge::Edge,
    error::{Error, Kind},
    names::{NONE, is_same, session_path, text},
    object::Object,
    session::microseconds,
};
use crate::{
    cast::{self, Power},
    control::Core,
    ids::DeviceId,
    session::Snapshot,
};

/// One TV.
#[derive(Debug)]
pub(super) struct Device<C> {
    edge: Edge<C>,
    id: DeviceId,
    facts: Option<Arc<Facts>>,
}

/// A TV at one moment.
#[derive(Debug, PartialEq)]
pub(super) struct Facts {
    device: cast::Device,
    session: OwnedObjectPath,
}

impl Facts {
    pub(super) fn new(mut device: cast::Device, sessions: &[Snapshot]) -> Self {
        let own = sessions.iter().rev().find(|session| {
            session.state.name != "ended"
                && session.tv.as_ref().is_some_and(|tv| is_same(tv, &device))
        });
        let session = own.map_or(NONE.into(), |session| session_path(&session.id));
        device.name = text(device.name);
        device.model = device.model.map(text);
        device.status = device.status.map(text);
        device.problem = device.problem.map(text);
        Self { device, session }
    }
}

impl<C> Clone for Device<C> {
    fn clone(&self) -> Self {
        Self { edge: self.edge.clone(), id: self.id.clone(), facts: self.facts.clone() }
    }
}

impl<C: Core> Device<C> {
    pub(super) fn new(edge: Edge<C>, id: DeviceId) -> Self {
        Self { edge, id, facts: None }
    }

    fn read(&self) -> Result<Arc<Facts>, Error> {
        self.facts.clone().or_else(|| self.facts()).ok_or_else(|| {
            Error::new(Kind::NoSuchDevice, "no such TV is known")
                .hint("ListDevices tells which are.")
        })
    }
}

impl<C: Core> Object for Device<C> {
    type Facts = Facts;
    const SILENT: &'static [&'static str] = &["LastSeen"];

    fn facts(&self) -> Option<Arc<Facts>> {
        let mut devices = self.edge.core.devices().into_iter();
        let device = devices.find(|device| device.id == self.id)?;
        Some(Arc::new(Facts::new(device, &self.edge.core.sessions())))
    }

    fn at(&self, facts: Arc<Facts>) -> Self {
        Self { edge: self.edge.clone(), id: self.id.clone(), facts: Some(facts) }
    }
}

#[interface(name = "org.dashboardcast1.Device")]
impl<C: Core> Device<C> {
    /// What names the TV: Uuid, or its configured address and port as long as that is unknown.
    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> &str {
        self.id.as_str()
    }

    /// 32 hexadecimal digits that stay the same when name and address change; empty for a configured
    /// TV that has not announced itself.
    #[zbus(property)]
    fn uuid(&self) -> Result<String, Error> {
        Ok(self.read()?.device.uuid.as_ref().map(ToString::to_string).unwrap_or_default())
    }

    /// Its name in the configuration, else what it calls itself, else its address.
    #[zbus(property)]
    fn name(&self) -> Result<String, Error> {
        Ok(self.read()?.device.name.clone())
    }

    /// Such as Chromecast Ultra; empty when it is not known.
    #[zbus(property)]
    fn model(&self) -> Result<String, Error> {
        Ok(self.read()?.device.model.clone().unwrap_or_default())
    }

    /// Where it is; the first one is tried first. Empty when its configured name has no address.
    #[zbus(property)]
    fn addresses(&self) -> Result<Vec<String>, Error> {
        Ok(self.read()?.device.hosts().collect())
    }

    /// The TCP port that it takes connections on.
    #[zbus(property)]
    fn port(&self) -> Result<u16, Error> {
        Ok(self.read()?.device.port)
    }

    /// How it is known: announced, configured or both.
    #[zbus(property)]
    fn found(&self) -> Result<String, Error> {
        Ok(self.read()?.device.found.name().to_owned())
    }

    /// When it announced itself or took a connection last, in microseconds since 1970; 0 when never.
    #[zbus(property(emits_changed_signal = "false"))]
    fn last_seen(&self) -> Result<u64, Error> {
        Ok(self.read()?.device.last_seen.map(microseconds).unwrap_or_default())
    }

    /// What it says that runs on it.
    #[zbus(property)]
    fn app(&self) -> Result<String, Error> {
        Ok(self.read()?.device.status.clone().unwrap_or_default())
    }

    /// on or standby, as it says to the session that is cast to it; empty while that is not known.
    #[zbus(property)]
    fn power(&self) -> Result<String, Error> {
        Ok(self.read()?.device.power.map(Power::name).unwrap_or_default().to_owned())
    }

    /// Why it cannot be reached; empty when it can.
    #[zbus(property)]
    fn problem(&self) -> Result<String, Error> {
        Ok(self.read()?.device.problem.clone().unwrap_or_default())
    }

    /// Whether it is meant when a cast names no TV.
    #[zbus(property)]
    fn default(&self) -> Result<bool, Error> {
        Ok(self.read()?.device.default)
    }

    /// The session that is for it, the latest one; "/" when there is none.
    #[zbus(property)]
    fn session(&self) -> Result<OwnedObjectPath, Error> {
        Ok(self.read()?.session.clone())
    }
}
