//! What all objects have in common.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
};

use tokio::sync::{mpsc, oneshot};
use url::Url;
use zbus::{
    Connection,
    message::{Header, Message},
};

use super::{
    authorize::{Action, Gate},
    error::{Error, Kind},
    turns::Turn,
};
use crate::{
    control::{Core, to_the_end},
    ids::SessionId,
    session::{Stopped, parse_url},
};

/// The largest call, as of `POST /start`; names and numbers are all that the others have.
const LARGEST_REQUEST: u32 = 64 * 1024;

/// Asks the publisher to bring the objects up to date, and is told when they are.
pub(super) type Settle = oneshot::Sender<()>;

/// What objects are made from. A clone is another handle on the same.
#[derive(Debug)]
pub(super) struct Edge<C> {
    pub(super) core: Arc<C>,
    /// Where the HTTP server listens.
    pub(super) listen: SocketAddr,
    pub(super) gate: Gate,
    pub(super) to_publisher: mpsc::Sender<Settle>,
}

impl<C> Clone for Edge<C> {
    fn clone(&self) -> Self {
        Self {
            core: Arc::clone(&self.core),
            listen: self.listen,
            gate: self.gate.clone(),
            to_publisher: self.to_publisher.clone(),
        }
    }
}

impl<C: Core> Edge<C> {
    /// Ends a session for the caller, and comes back when its object is gone.
    pub(super) async fn stop(
        &self,
        connection: &Connection,
        call: &Header<'_>,
        id: SessionId,
    ) -> Result<(), Error> {
        let about = [("session", id.as_str())];
        let turn = self.admit(connection, call, Action::Cast, &about).await?;
        let core = Arc::clone(&self.core);
        let stopped = to_the_end(async move { core.stop(Some(id)).await }).await?;
        if stopped == Stopped::NotRunning {
            return Err(Error::no_such_session());
        }
        self.settle().await;
        drop(turn);
        Ok(())
    }
}

impl<C> Edge<C> {
    /// Lets the caller do this, or not; `about` is with what, for polkit and its log.
    pub(super) async fn admit(
        &self,
        connection: &Connection,
        call: &Header<'_>,
        action: Action,
        about: &[(&str, &str)],
    ) -> Result<Turn, Error> {
        let verb = call.member().map_or("", |member| member.as_str());
        let details: Vec<_> = [("verb", verb)].into_iter().chain(about.iter().copied()).collect();
        self.gate.admit(connection, call, action, &details).await
    }

    /// Comes back when the objects are as the core is now: whoever is told of a session can ask it.
    pub(super) async fn settle(&self) {
        let (settled, done) = oneshot::channel();
        if self.to_publisher.send(settled).await.is_ok() {
            // It fails when the bus is lost; then nobody hears the answer either.
            let _: Result<(), _> = done.await;
        }
    }

    /// A path of the HTTP server as an address that works on this machine.
    pub(super) fn local_url(&self, path: &str) -> String {
        let mut address = self.listen;
        if address.ip().is_unspecified() {
            address.set_ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
        }
        format!("http://{address}{path}")
    }
}

/// Why a request is not even read: it is larger than any that makes sense, and read it would be many times
/// as large.
pub(super) fn too_large(call: &Message) -> Option<Error> {
    let message = || format!("the request is larger than {LARGEST_REQUEST} bytes");
    let is_too_large = call.primary_header().body_len() > LARGEST_REQUEST;
    is_too_large.then(|| Error::new(Kind::LimitsExceeded, message()))
}

/// The host of a page's address, which is all of it that polkit may show and log: the rest can hold
/// secrets. Empty when there is none.
pub(super) fn host_of(url: &str) -> String {
    let page = parse_url(url.to_owned()).ok();
    page.as_ref().and_then(Url::host_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_that_of_the_page_that_is_opened() {
        for (url, host) in [
            ("https://me:secret@dash.lan:3000/d?token=secret", "dash.lan"),
            ("dash.lan:3000/d", "dash.lan"),
            ("dash", "dash"),
            ("/d/1", ""),
        ] {
            assert_eq!(host_of(url), host, "{url}");
        }
    }
}
