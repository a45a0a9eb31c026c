//! One TV, as the service shows it on the bus and as it is printed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    ServiceError,
    session::{id_of, known, time},
};
use crate::cli::screen::plain;

/// The properties of `org.dashboardcast1.Device`. "" and 0 mean: not known, or none.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Properties {
    id: String,
    uuid: String,
    name: String,
    model: String,
    addresses: Vec<String>,
    port: u16,
    found: String,
    last_seen: u64,
    app: String,
    power: String,
    problem: String,
    default: bool,
    session: String,
}

/// One TV. As JSON it is an entry of `GET /devices`, and has the session that is cast to it.
#[derive(Clone, Debug, Default, Serialize)]
pub(in crate::cli) struct Device {
    pub(in crate::cli) id: String,
    pub(in crate::cli) uuid: Option<String>,
    pub(in crate::cli) name: String,
    pub(in crate::cli) model: Option<String>,
    pub(in crate::cli) addresses: Vec<String>,
    pub(in crate::cli) port: u16,
    pub(in crate::cli) found: String,
    pub(in crate::cli) last_seen: Option<Timestamp>,
    pub(in crate::cli) status: Option<String>,
    pub(in crate::cli) power: Option<String>,
    pub(in crate::cli) problem: Option<String>,
    pub(in crate::cli) default: bool,
    pub(in crate::cli) session_id: Option<String>,
}

impl Device {
    pub(super) fn read(properties: Map<String, Value>) -> Result<Self, ServiceError> {
        let facts: Properties = serde_json::from_value(Value::Object(properties))
            .map_err(|cause| ServiceError::Unreadable { what: "a TV", cause })?;
        Ok(Self {
            id: facts.id,
            uuid: known(facts.uuid),
            name: facts.name,
            model: known(facts.model),
            addresses: facts.addresses,
            port: facts.port,
            found: facts.found,
            last_seen: time(facts.last_seen),
            status: known(facts.app),
            power: known(facts.power),
            problem: known(facts.problem),
            default: facts.default,
            session_id: known(id_of(&facts.session)),
        })
    }

    /// By name, as people look for it.
    pub(super) fn order(&self) -> (String, &str) {
        (self.name.to_lowercase(), &self.id)
    }
}

/// As a search found it, for a table.
impl From<&crate::cast::Device> for Device {
    fn from(device: &crate::cast::Device) -> Self {
        Self {
            id: device.id.to_string(),
            uuid: device.uuid.as_ref().map(ToString::to_string),
            name: plain(&device.name),
            model: device.model.as_deref().map(plain),
            addresses: device.hosts().collect(),
            power: device.power.map(|power| power.name().to_owned()),
            problem: device.problem.as_deref().map(plain),
            default: device.default,
            ..Self::default()
        }
    }
}
