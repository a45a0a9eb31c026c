//! Which pages may be opened.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

use serde::{Deserialize, Serialize};
use thiserror::Error;
use url::{Host, Url};

use super::Pages;

/// Scheme, host and port of a web server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Origin {
    https: bool,
    host: Host,
    port: u16,
}

/// An [`Origin`] that has certificates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HttpsOrigin(Origin);

/// One entry of `pages.allow`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AllowedPage {
    /// Any page of that host, whatever scheme and port.
    Host(Host),
    /// Pages of that server only.
    Origin(Origin),
}

/// Why a text names no host and no origin. The text is not quoted: it may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AddressError {
    /// Neither a host name nor an address.
    #[error("not a host: {0}")]
    Host(url::ParseError),
    /// The text is no URL.
    #[error("not a URL: {0}")]
    Url(url::ParseError),
    /// Patterns would have to say where they end; hosts are few.
    #[error("wildcards are not known; list each host")]
    Wildcard,
    /// Only web servers have origins.
    #[error("an origin begins with http:// or https://")]
    Scheme,
    /// Without TLS there is no certificate.
    #[error("only https:// has certificates")]
    NotHttps,
    /// A URL of something on the server, not of the server.
    #[error("an origin ends after the port")]
    MoreThanOrigin,
    /// It would look as if it gave access.
    #[error("an origin has no user name and no password")]
    Credentials,
}

impl Origin {
    /// `None` when the URL is not one of a web server.
    fn of(url: &Url) -> Option<Self> {
        let https = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return None,
        };
        Some(Self { https, host: plain(url.host()?), port: url.port_or_known_default()? })
    }
}

impl FromStr for Origin {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = Url::parse(text).map_err(AddressError::Url)?;
        let origin = Self::of(&url).ok_or(AddressError::Scheme)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::Credentials);
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::MoreThanOrigin);
        }
        if text.contains('*') {
            return Err(AddressError::Wildcard);
        }
        Ok(origin)
    }
}

impl FromStr for HttpsOrigin {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let origin = text.parse::<Origin>()?;
        if origin.https { Ok(Self(origin)) } else { Err(AddressError::NotHttps) }
    }
}

impl FromStr for AllowedPage {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.contains("://") {
            return text.parse().map(Self::Origin);
        }
        if text.contains('*') {
            return Err(AddressError::Wildcard);
        }
        if let Ok(address) = text.parse() {
            return Ok(Self::Host(Host::Ipv6(address)));
        }
        let host = Host::parse(text).map_err(AddressError::Host)?;
        Ok(Self::Host(without_root_dot(host)))
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, usual_port) = if self.https { ("https", 443) } else { ("http", 80) };
        write!(f, "{scheme}://{}", self.host)?;
        if self.port == usual_port { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Display for HttpsOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for AllowedPage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => host.fmt(f),
            Self::Origin(origin) => origin.fmt(f),
        }
    }
}

macro_rules! as_string {
    ($($type:ty),*) => {$(
        impl TryFrom<String> for $type {
            type Error = AddressError;

            fn try_from(text: String) -> Result<Self, AddressError> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(value: $type) -> Self {
                value.to_string()
            }
        }
    )*};
}

as_string!(Origin, HttpsOrigin, AllowedPage);

/// The answer to "may this page be opened?". It judges an address as it is written. Where names and
/// redirections lead is for the browser's unit, which forbids the same addresses (`IPAddressDeny=`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PagePolicy {
    /// When there are any, only these.
    allow: Vec<AllowedPage>,
    allow_link_local: bool,
}

/// Why a page may not be opened, and what to change. Nothing of the URL beyond its host is shown: the
/// rest may hold secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PolicyError {
    /// Files, the browser's own pages, scripts.
    #[error(
        "{0}: addresses are not opened; only http: and https: pages are. \
         Give a whole address of a web server such as http://host:3000/d/1"
    )]
    Scheme(String),
    /// There is nobody to ask for the page.
    #[error("the address names no host. Give a whole address such as http://host:3000/d/1")]
    NoHost,
    /// Cloud machines give out their keys there.
    #[error(
        "{0} is a link-local or cloud metadata address, which pages are not opened from. \
         If it is meant, set allow-link-local = true under [pages]"
    )]
    LinkLocal(Host),
    /// The allow-list is not empty and does not have it.
    #[error("{0} is not on the list of allowed pages. Add \"{0}\" to allow under [pages]")]
    NotAllowed(Origin),
}

impl PagePolicy {
    pub fn new(allow: Vec<AllowedPage>, allow_link_local: bool) -> Self {
        Self { allow, allow_link_local }
    }

    /// # Errors
    /// The page may not be opened.
    pub fn check(&self, url: &Url) -> Result<(), PolicyError> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(PolicyError::Scheme(url.scheme().to_owned()));
        }
        let origin = Origin::of(url).ok_or(PolicyError::NoHost)?;
        if !self.allow_link_local && is_link_local(&origin.host) {
            return Err(PolicyError::LinkLocal(origin.host));
        }
        let allowed = self.allow.iter().any(|entry| match entry {
            AllowedPage::Host(host) => *host == origin.host,
            AllowedPage::Origin(allowed) => *allowed == origin,
        });
        if allowed || self.allow.is_empty() { Ok(()) } else { Err(PolicyError::NotAllowed(origin)) }
    }
}

impl From<&Pages> for PagePolicy {
    fn from(pages: &Pages) -> Self {
        Self::new(pages.allow.clone(), pages.allow_link_local)
    }
}

fn plain(host: Host<&str>) -> Host {
    without_root_dot(host.to_owned())
}

/// `dash.lan.` is `dash.lan`: the dot would slip past any comparison of names.
fn without_root_dot(host: Host) -> Host {
    match host {
        Host::Domain(name) => Host::Domain(name.trim_end_matches('.').to_owned()),
        address => address,
    }
}

/// Names under which clouds give out a machine's own keys.
const METADATA_NAMES: [&str; 5] = [
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
];
/// Metadata services outside the link-local networks: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
/// Amazon's and Google's over IPv6.
const METADATA_V6: [Ipv6Addr; 2] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

fn is_link_local(host: &Host) -> bool {
    match host {
        Host::Domain(name) => METADATA_NAMES.contains(&name.as_str()),
        Host::Ipv4(address) => is_link_local_address(IpAddr::V4(*address)),
        Host::Ipv6(address) => is_link_local_address(IpAddr::V6(*address)),
    }
}

fn is_link_local_address(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local() || METADATA_V4.contains(&address),
        IpAddr::V6(address) => {
            address.is_unicast_link_local()
                || METADATA_V6.contains(&address)
                || inner_v4(address).is_some_and(|inner| is_link_local_address(IpAddr::V4(inner)))
        }
    }
}

/// The IPv4 address that packets to an IPv6 address end up at: mapped and compatible (`::/96`),
/// translated (`64:ff9b::/96`, RFC 6052) and tunnelled (`2002::/16`, RFC 3056).
fn inner_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [a, b, c, d, e, f, g, h] = address.segments();
    let join = |high: u16, low: u16| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
    match (a, b, [c, d, e, f]) {
        (0, 0, [0, 0, 0, 0 | 0xffff]) | (0x64, 0xff9b, [0, 0, 0, 0]) => Some(join(g, h)),
        (0x2002, ..) => Some(join(b, c)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn policy(allow: &[&str]) -> PagePolicy {
        PagePolicy::new(allow.iter().map(|entry| entry.parse().unwrap()).collect(), false)
    }

    #[track_caller]
    fn check(policy: &PagePolicy, url: &str) -> Result<(), PolicyError> {
        policy.check(&Url::parse(url).unwrap())
    }

    #[test]
    fn the_browsers_unit_forbids_the_same_addresses() {
        let unit = include_str!("../../systemd/dashboard-cast-browser@.service");
        let denied = unit.lines().find_map(|line| line.strip_prefix("IPAddressDeny=")).unwrap();
        let mut denied: Vec<_> = denied.split(' ').map(str::to_owned).collect();
        let mut expected = vec!["169.254.0.0/16".to_owned()];
        expected.extend(METADATA_V4.iter().map(Ipv4Addr::to_string));
        expected.extend(METADATA_V6.iter().map(Ipv6Addr::to_string));
        denied.sort();
        expected.sort();
        assert_eq!(denied, expected);
    }

    #[test]
    fn web_pages_are_open_by_default() {
        for url in [
            "http://dash.lan:3000/d/1",
            "https://192.168.1.5/",
            "http://[::1]:8123/",
            "http://127.0.0.1:19999/",
            "https://metadata.example/",
        ] {
            assert_eq!(check(&PagePolicy::default(), url), Ok(()), "{url}");
        }
    }

    #[test]
    fn only_web_pages_are_pages() {
        for (url, scheme) in [
            ("file:///etc/shadow", "file"),
            ("chrome://settings", "chrome"),
            ("view-source:http://dash.lan/", "view-source"),
            ("javascript:alert(1)", "javascript"),
            ("data:text/html,x", "data"),
            ("blob:http://dash.lan/1", "blob"),
            ("dash.lan:3000/d/1", "dash.lan"),
        ] {
            let error = check(&PagePolicy::default(), url).unwrap_err();
            assert_eq!(error, PolicyError::Scheme(scheme.to_owned()));
            assert!(error.to_string().contains("http: and https:"), "{error}");
        }
    }

    #[test]
    fn link_local_and_metadata_addresses_are_closed_in_any_spelling() {
        let open = PagePolicy::new(Vec::new(), true);
        for url in [
            "http://169.254.169.254/latest/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://169.254.43518/",
            "http://[fe80::1]/",
            "http://[febf::1]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::a9fe:a9fe]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::1]/",
            "http://[fd00:ec2::254]/",
            "http://100.100.100.200/",
            "http://metadata.google.internal/",
            "http://METADATA.Google.Internal./",
            "http://metadata/computeMetadata/v1/",
        ] {
            let error = check(&PagePolicy::default(), url).unwrap_err();
            assert!(matches!(error, PolicyError::LinkLocal(_)), "{url}: {error}");
            assert!(error.to_string().contains("allow-link-local"), "{error}");
            assert_eq!(check(&open, url), Ok(()), "{url}");
        }
    }

    #[test]
    fn neighbours_of_forbidden_addresses_are_open() {
        for url in [
            "http://169.253.255.255/",
            "http://169.255.0.0/",
            "http://[fec0::1]/",
            "http://[fe7f::1]/",
            "http://[::ffff:192.168.1.5]/",
            "http://[2001:db8::a9fe:a9fe]/",
        ] {
            assert_eq!(check(&PagePolicy::default(), url), Ok(()), "{url}");
        }
    }

    #[test]
    fn a_list_of_pages_closes_all_others() {
        let policy = policy(&["Dash.lan", "http://10.0.0.5:3000", "fd00::7"]);
        for url in [
            "http://dash.lan/",
            "https://dash.lan.:8443/x",
            "http://10.0.0.5:3000/d/1",
            "http://[fd00::7]/",
        ] {
            assert_eq!(check(&policy, url), Ok(()), "{url}");
        }
        for url in [
            "http://other.lan/",
            "http://sub.dash.lan/",
            "http://10.0.0.5/",
            "https://10.0.0.5:3000/",
            "http://dash.lan@other.lan/",
        ] {
            let error = check(&policy, url).unwrap_err();
            assert!(matches!(error, PolicyError::NotAllowed(_)), "{url}: {error}");
        }
    }

    #[test]
    fn what_a_refusal_tells_to_add_lets_the_page_in() {
        let url = "https://user:secret@other.lan:8443/d?token=secret";
        let error = check(&policy(&["dash.lan"]), url).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("\"https://other.lan:8443\"") && !message.contains("secret"));
        assert_eq!(check(&policy(&["dash.lan", "https://other.lan:8443"]), url), Ok(()));
    }

    #[test]
    fn the_list_does_not_open_link_local_addresses() {
        let error = check(&policy(&["169.254.1.1"]), "http://169.254.1.1/").unwrap_err();
        assert!(matches!(error, PolicyError::LinkLocal(_)));
    }

    #[test]
    fn origins_are_written_as_browsers_do() {
        let shown = |text: &str| text.parse::<HttpsOrigin>().unwrap().to_string();
        assert_eq!(shown("https://NAS.lan:443"), "https://nas.lan");
        assert_eq!(shown("https://nas.lan:5001/"), "https://nas.lan:5001");
        assert_eq!(shown("https://[FD00::7]:8006"), "https://[fd00::7]:8006");
    }

    #[test]
    fn what_is_no_origin_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<HttpsOrigin>().unwrap_err();
        assert_eq!(error("http://nas.lan"), AddressError::NotHttps);
        assert_eq!(error("https://nas.lan/ui"), AddressError::MoreThanOrigin);
        assert_eq!(error("https://me@nas.lan"), AddressError::Credentials);
        assert_eq!(error("https://*.lan"), AddressError::Wildcard);
        assert_eq!(error("ftp://nas.lan"), AddressError::Scheme);
        assert!(matches!(error("nas.lan"), AddressError::Url(_)));
    }

    #[test]
    fn what_is_no_host_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<AllowedPage>().unwrap_err();
        assert_eq!(error("*.lan"), AddressError::Wildcard);
        assert!(matches!(error("dash.lan:3000"), AddressError::Host(_)));
        assert!(matches!(error("dash.lan/d"), AddressError::Host(_)));
        assert!(matches!(error(""), AddressError::Host(_)));
    }
}
