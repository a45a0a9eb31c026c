use std::net::{IpAddr, SocketAddr};

use jiff::Timestamp;
use serde::{Serialize, Serializer, ser::SerializeSeq};

use crate::ids::DeviceId;

/// A TV as it is known now. As JSON it is an entry of `GET /devices`: fields may be added, none
/// renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Device {
    /// What it is known by: its UUID; for one that has never announced itself, its configured
    /// address with the port.
    pub id: DeviceId,
    /// 32 lower-case hexadecimal digits, which stay the same when name and address change. `None`
    /// as long as it has not announced itself.
    pub uuid: Option<DeviceId>,
    /// Its name in the configuration, else what it calls itself, else its address.
    pub name: String,
    pub model: Option<String>,
    /// Where to connect, best first; as JSON without the port. Empty when its configured host name
    /// has no address.
    #[serde(serialize_with = "without_ports")]
    pub addresses: Vec<SocketAddr>,
    pub port: u16,
    pub found: Found,
    /// When it said something last, or took a connection. `None` as long as it has done neither.
    pub last_seen: Option<Timestamp>,
    /// What it says that runs on it.
    pub status: Option<String>,
    /// What it says of its power. `None` when there is no connection to it, and when it does not say.
    pub power: Option<Power>,
    /// Why it cannot be reached. What announces itself counts as reachable.
    pub problem: Option<String>,
    /// Whether it is meant when no TV is named.
    pub default: bool,
}

/// How a TV came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Found {
    /// It announces itself.
    Announced,
    /// It is in the configuration.
    Configured,
    /// It is in the configuration and announces itself.
    Both,
}

impl Found {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Announced => "announced",
            Self::Configured => "configured",
            Self::Both => "both",
        }
    }
}

/// Whether a TV is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    On,
    Standby,
}

impl Power {
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Standby => "standby",
        }
    }
}

impl Device {
    /// Its addresses without the port, as text; a link-local one has its interface's number.
    pub fn hosts(&self) -> impl Iterator<Item = String> {
        self.addresses.iter().map(host)
    }
}

fn host(address: &SocketAddr) -> String {
    match address {
        SocketAddr::V6(address) if address.scope_id() != 0 => {
            format!("{}%{}", address.ip(), address.scope_id())
        }
        address => IpAddr::to_string(&address.ip()),
    }
}

fn without_ports<S: Serializer>(
    addresses: &[SocketAddr],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(addresses.len()))?;
    for address in addresses {
        list.serialize_element(&host(address))?;
    }
    list.end()
}
