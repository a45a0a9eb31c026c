//! Whether this machine can take part in mDNS at all.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
};

use rustix::net::{
    AddressFamily, SocketFlags, SocketType, bind, socket_with,
    sockopt::{set_socket_reuseaddr, set_socket_reuseport},
};
use thiserror::Error;

/// Where mDNS is spoken, RFC 6762.
const PORT: u16 = 5353;

/// Why TVs cannot be searched for.
#[derive(Debug, Error)]
pub enum SearchError {
    #[error("listing this machine's network interfaces")]
    Interfaces(#[source] io::Error),
    /// Nobody can be heard.
    #[error("this machine is in no network")]
    NoNetwork,
    /// All programs that speak mDNS share the port; one that does not let the others in shuts them
    /// out.
    #[error("another program keeps UDP port {PORT} for itself")]
    Port(#[source] io::Error),
    /// The search itself could not be started.
    #[error("starting the search")]
    Start(#[source] mdns_sd::Error),
}

/// Whether TVs that announce themselves can be heard here.
///
/// # Errors
/// Why not.
pub fn can_search() -> Result<(), SearchError> {
    has_network()?;
    shares_port().map_err(SearchError::Port)
}

/// Looks for what mdns-sd would use: an interface that is up and leads to others.
pub(super) fn has_network() -> Result<(), SearchError> {
    let interfaces = if_addrs::get_if_addrs().map_err(SearchError::Interfaces)?;
    let leads_somewhere = interfaces
        .iter()
        .any(|interface| interface.is_oper_up() && !interface.is_loopback() && !interface.is_p2p());
    if leads_somewhere { Ok(()) } else { Err(SearchError::NoNetwork) }
}

/// mdns-sd says nothing when it does not get its port. With these two options it gets it beside
/// avahi-daemon and systemd-resolved, which set the first one as well.
fn shares_port() -> io::Result<()> {
    let flags = SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
    set_socket_reuseaddr(&socket, true)?;
    set_socket_reuseport(&socket, true)?;
    Ok(bind(&socket, &SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, PORT))?)
}
