//! How a TV is named in the configuration.

use std::{fmt, net::Ipv6Addr, str::FromStr};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::Host;

/// One entry of `devices.static`: a TV that need not announce itself. Written `[NAME=]HOST[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StaticDevice {
    /// What people call it; `None` for what it calls itself.
    pub name: Option<String>,
    pub host: Host,
    pub port: u16,
}

/// Why a text names no TV.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StaticDeviceError {
    /// Nothing stands before the `=`.
    #[error("the name before the \"=\" is empty")]
    NoName,
    /// Neither a host name nor an address.
    #[error("not a host: {0}")]
    Host(#[from] url::ParseError),
    /// What follows the last colon is no number from 1 to 65535.
    #[error("{0:?} is not a port")]
    Port(String),
}

impl StaticDevice {
    /// Where Cast devices listen unless they say otherwise.
    pub const PORT: u16 = 8009;

    /// Host and port: no two entries have the same.
    pub fn address(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }
}

impl FromStr for StaticDevice {
    type Err = StaticDeviceError;

    fn from_str(text: &str) -> Result<Self, StaticDeviceError> {
        // A name may hold anything, also a "="; no host does.
        let (name, address) = match text.rsplit_once('=') {
            Some((name, address)) => (Some(name.trim()), address.trim()),
            None => (None, text.trim()),
        };
        if name.is_some_and(str::is_empty) {
            return Err(StaticDeviceError::NoName);
        }
        let (host, port) = host_and_port(address)?;
        Ok(Self { name: name.map(str::to_owned), host, port })
    }
}

fn host_and_port(address: &str) -> Result<(Host, u16), StaticDeviceError> {
    if let Ok(address) = address.parse::<Ipv6Addr>() {
        return Ok((Host::Ipv6(address), StaticDevice::PORT));
    }
    // In brackets, colons belong to the address.
    let end_of_host = address.rfind(']').unwrap_or(0);
    let (host, port) = match address[end_of_host..].rfind(':') {
        Some(colon) => {
            let (host, port) = address.split_at(end_of_host + colon);
            let number = port[1..].parse().ok().filter(|port| *port != 0);
            (host, number.ok_or_else(|| StaticDeviceError::Port(port[1..].to_owned()))?)
        }
        None => (address, StaticDevice::PORT),
    };
    match Host::parse(host)? {
        // Also what only looks like one: it is one after a host's name has been brought into its form.
        Host::Domain(name) if name.contains('=') => {
            Err(url::ParseError::InvalidDomainCharacter.into())
        }
        host => Ok((host, port)),
    }
}

impl fmt::Display for StaticDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            write!(f, "{name}=")?;
        }
        write!(f, "{}", self.host)?;
        if self.port == Self::PORT { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl TryFrom<String> for StaticDevice {
    type Error = StaticDeviceError;

    fn try_from(text: String) -> Result<Self, StaticDeviceError> {
        text.parse()
    }
}

impl From<StaticDevice> for String {
    fn from(device: StaticDevice) -> Self {
        device.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn reads_as(text: &str, name: Option<&str>, address: &str) {
        let device: StaticDevice = text.parse().unwrap();
        assert_eq!((device.name.as_deref(), &*device.address()), (name, address), "{text}");
        assert_eq!(device.to_string().parse(), Ok(device), "{text}");
    }

    #[test]
    fn a_host_is_enough() {
        reads_as("192.168.1.20", None, "192.168.1.20:8009");
        reads_as(" TV.lan ", None, "tv.lan:8009");
        reads_as("fd00::20", None, "[fd00::20]:8009");
        reads_as("[fd00::20]", None, "[fd00::20]:8009");
    }

    #[test]
    fn a_name_and_a_port_may_be_given() {
        reads_as("kitchen=192.168.1.21:8010", Some("kitchen"), "192.168.1.21:8010");
        reads_as("Living room = tv.lan", Some("Living room"), "tv.lan:8009");
        reads_as("a=b=[fd00::1]:9", Some("a=b"), "[fd00::1]:9");
    }

    #[test]
    fn what_names_no_tv_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<StaticDevice>().unwrap_err();
        assert_eq!(error("=192.168.1.20"), StaticDeviceError::NoName);
        for port in ["0", "70000", "x", "", "-1"] {
            let refused = error(&format!("tv.lan:{port}"));
            assert_eq!(refused, StaticDeviceError::Port(port.to_owned()));
        }
        for text in [
            "",
            "kitchen=",
            "two words",
            "[fd00::1",
            "fe80::1%eth0",
            ":8009",
            "http://tv/",
            "a\u{fe66}",
        ] {
            assert!(text.parse::<StaticDevice>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_has_an_answer_that_reads_the_same_again(text in "\\PC{0,40}") {
            if let Ok(device) = text.parse::<StaticDevice>() {
                prop_assert_eq!(device.to_string().parse(), Ok(device));
            }
        }

        #[test]
        fn brackets_and_colons_in_any_order_have_an_answer(text in "[a-z0-9=.:\\[\\]]{0,20}") {
            if let Ok(device) = text.parse::<StaticDevice>() {
                prop_assert_eq!(device.to_string().parse(), Ok(device));
            }
        }
    }
}
