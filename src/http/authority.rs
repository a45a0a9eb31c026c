//! The `Host` a caller used: the one piece of a request that goes into addresses we hand out.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use axum::http::{HeaderMap, Uri, header};

/// A host and perhaps a port, known to hold nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Authority {
    host: Host,
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Host {
    Ip(IpAddr),
    /// Lower case, without the root's dot.
    Name(String),
}

impl Authority {
    /// What the request says it is meant for. `None` when it says nothing, as HTTP/1.0 may, or
    /// nothing that makes sense.
    pub(super) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Self> {
        if let Some(authority) = uri.authority() {
            return Self::parse(authority.as_str());
        }
        let mut hosts = headers.get_all(header::HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) => Self::parse(host.to_str().ok()?),
            _ => None,
        }
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let address: Ipv6Addr = address.parse().ok()?;
                (Host::Ip(address.into()), rest)
            }
            None => {
                let (name, port) = text.split_at(text.find(':').unwrap_or(text.len()));
                (Host::parse_name(name)?, port)
            }
        };
        let port = match port {
            "" => None,
            port => Some(parse_port(port.strip_prefix(':')?)?),
        };
        Some(Self { host, port })
    }

    /// Whether only this machine's own configuration can have made the name mean us: a foreign page
    /// can point any other name at our address (DNS rebinding) and would then be our own origin.
    pub(super) fn is_ours(&self, host_names: &[String]) -> bool {
        match &self.host {
            Host::Ip(_) => true,
            Host::Name(name) => {
                name == "localhost"
                    || name.ends_with(".localhost")
                    || host_names.iter().any(|ours| ours == name)
            }
        }
    }
}

impl Host {
    fn parse_name(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Ip(address.into()));
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        let sane = (1..=253).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
        sane.then(|| Self::Name(name.to_ascii_lowercase()))
    }
}

fn parse_port(text: &str) -> Option<u16> {
    // `u16::from_str` would take a plus sign too.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

impl From<SocketAddr> for Authority {
    fn from(address: SocketAddr) -> Self {
        Self { host: Host::Ip(address.ip().to_canonical()), port: Some(address.port()) }
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Ip(IpAddr::V6(address)) => write!(f, "[{address}]")?,
            Host::Ip(IpAddr::V4(address)) => write!(f, "{address}")?,
            Host::Name(name) => f.write_str(name)?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_browser_sends_is_kept() {
        for text in
            ["192.168.1.5:8000", "dashboard-cast.lan:8000", "dash", "[fe80::1]:8000", "[::1]"]
        {
            assert_eq!(Authority::parse(text).unwrap().to_string(), text);
        }
        let shouted = Authority::parse("Dash.LAN.:80").unwrap();
        assert_eq!(shouted.to_string(), "dash.lan:80");
    }

    #[test]
    fn what_could_smuggle_something_into_an_address_is_refused() {
        for text in [
            "",
            ":8000",
            "host:",
            "host:+80",
            "host:65536",
            "host:80:80",
            "user@host",
            "host/path",
            "host?x",
            "ho st",
            "h\"st",
            "[::1",
            "[host]:80",
            "[::1]80",
            "höst",
        ] {
            assert_eq!(Authority::parse(text), None, "{text:?}");
        }
        assert_eq!(Authority::parse(&"a".repeat(254)), None);
    }

    #[test]
    fn two_hosts_are_no_host() {
        let mut headers = HeaderMap::new();
        headers.append(header::HOST, "a".parse().unwrap());
        let uri = Uri::from_static("/");
        assert!(Authority::of(&uri, &headers).is_some());
        headers.append(header::HOST, "b".parse().unwrap());
        assert_eq!(Authority::of(&uri, &headers), None);
    }

    #[test]
    fn only_names_nobody_else_can_give_us_are_ours() {
        let ours = ["dash".to_owned(), "dash.local".to_owned()];
        for name in
            ["127.0.0.1:8000", "[::1]:8000", "localhost", "a.localhost", "DASH:8000", "dash.local"]
        {
            assert!(Authority::parse(name).unwrap().is_ours(&ours), "{name}");
        }
        for name in ["evil.example", "dash.evil.example", "notlocalhost"] {
            assert!(!Authority::parse(name).unwrap().is_ours(&ours), "{name}");
        }
    }

    #[test]
    fn a_mapped_ipv4_address_is_written_as_ipv4() {
        let address: SocketAddr = "[::ffff:10.0.0.7]:8000".parse().unwrap();
        assert_eq!(Authority::from(address).to_string(), "10.0.0.7:8000");
    }
}
