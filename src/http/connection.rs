//! Who calls, and what they call us.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts},
    http::{StatusCode, request::Parts},
};

use super::{authority::Authority, problem::Problem};

/// Both ends of the TCP connection that a request came on. [`serve`](super::serve) puts it into
/// each request as [`ConnectInfo`].
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub peer: SocketAddr,
    pub local: SocketAddr,
}

impl Connection {
    fn of(parts: &Parts) -> Result<Self, Problem> {
        match parts.extensions.get::<ConnectInfo<Self>>() {
            Some(ConnectInfo(connection)) => Ok(*connection),
            None => Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "the server does not know who calls",
            )),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Connection {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(parts)
    }
}

/// `http://host:port`, as this caller reaches us.
#[derive(Clone, Debug)]
pub(super) struct BaseUrl(String);

impl BaseUrl {
    pub(super) fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }
}

impl<S: Sync> FromRequestParts<S> for BaseUrl {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let authority = match Authority::of(&parts.uri, &parts.headers) {
            Some(authority) => authority,
            None => Authority::from(Connection::of(parts)?.local),
        };
        Ok(Self(format!("http://{authority}")))
    }
}

/// Whether the address is this machine's own, however it is written.
pub(super) fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}
