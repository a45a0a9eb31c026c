//! Connections: accepted, bounded in number and in patience, ended in time.

mod stall;

use std::{convert::Infallible, io, net::IpAddr, pin::pin, sync::Arc};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{Request, Response},
};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    task::JoinSet,
    time::{Duration, sleep, timeout},
};
use tower::{Service, ServiceExt};

use self::stall::StallGuard;
use super::{App, Connection, Limits, Media, router};
use crate::{
    control::Core,
    shares::{Share, Shares},
};

/// Longest request head, with all its fields.
const HEAD: usize = 16 * 1024;
/// One peer gets this part of all connections: TVs need a handful, and one that opens more than it closes
/// keeps no other out.
const PEERS: usize = 4;
/// After the kernel refused to give a connection: out of descriptors or memory, which only time
/// helps.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Serves until `shutdown` comes back, then lets running answers end for as long as
/// [`Limits::shutdown`] and cuts off what is left, such as endless streams.
pub async fn serve<C: Core, M: Media>(
    listener: TcpListener,
    app: App<C, M>,
    shutdown: impl Future<Output = ()>,
) {
    let (limits, activity) = (app.limits, app.activity.clone());
    let router = router(app);
    let (closing, closed) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let room = Arc::new(Semaphore::new(limits.connections));
    let (peers, most_of_one) = (Shares::default(), (limits.connections / PEERS).max(1));
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (stream, peer, permit) = accept(&listener, &room) => {
                let Some(place) = admit(&peers, peer, most_of_one) else {
                    tracing::debug!(%peer, "too many HTTP connections, closing one");
                    continue;
                };
                let router = router.clone();
                let closed = closed.clone();
                let visit = activity.come();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, router, limits, closed).await {
                        tracing::debug!(error = %error, "an HTTP connection ended early");
                    }
                    drop((permit, place, visit));
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    closing.send_replace(true);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.shutdown, all_ended).await.is_err() {
        tracing::debug!(left = connections.len(), "cutting off HTTP connections");
        connections.shutdown().await;
    }
}

/// Waits for room first: who does not get in waits in the kernel's queue.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
) -> (TcpStream, IpAddr, OwnedSemaphorePermit) {
    loop {
        // The semaphore is never closed; if it were, nobody would get in.
        let Ok(permit) = Arc::clone(room).acquire_owned().await else {
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, peer)) => return (stream, peer.ip().to_canonical(), permit),
            Err(error) if is_the_callers(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept HTTP connections, trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// A place for one more of this peer, unless it has as many as one may. This machine itself may have all:
/// proxies speak for many.
fn admit(peers: &Shares<IpAddr>, peer: IpAddr, most: usize) -> Option<Share<IpAddr>> {
    let may = |own, _| (own < most || peer.is_loopback()).then_some(()).ok_or(());
    peers.take(peer, may).ok()
}

fn is_the_callers(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
    )
}

/// One connection, from its first byte to its last.
async fn converse(
    stream: TcpStream,
    router: Router,
    limits: Limits,
    mut closed: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let connection = Connection { peer: stream.peer_addr()?, local: stream.local_addr()? };
    // Answers are written whole; waiting for more only delays the last packet of each.
    stream.set_nodelay(true)?;
    let stream = TokioIo::new(StallGuard::new(stream, limits.write_stall));
    let service = TowerToHyperService::new(with_connection(router, connection));
    let conversation = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.request_read)
        .max_header_size(HEAD)
        .serve_connection(stream, service);
    let mut conversation = pin!(conversation);
    tokio::select! {
        ended = conversation.as_mut() => return Ok(ended?),
        _ = closed.wait_for(|closed| *closed) => {}
    }
    conversation.as_mut().graceful_shutdown();
    Ok(conversation.await?)
}

fn with_connection(
    router: Router,
    connection: Connection,
) -> impl Service<Request<Incoming>, Response = Response<Body>, Error = Infallible, Future: Send> + Clone
{
    router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(connection));
        request.map(Body::new)
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn nobody_but_this_machine_takes_all_the_room() {
        let shares = Shares::default();
        let admit = |peer| admit(&shares, peer, 2);
        let [one, other] =
            [[10, 0, 0, 1], [10, 0, 0, 2]].map(|ip| IpAddr::from(Ipv4Addr::from(ip)));
        let held = [admit(one), admit(one)];
        assert!(held.iter().all(Option::is_some) && admit(one).is_none());
        assert!(admit(other).is_some());
        drop(held);
        assert!(admit(one).is_some());
        let local: Vec<_> = (0..9).map(|_| admit(Ipv4Addr::LOCALHOST.into())).collect();
        assert!(local.iter().all(Option::is_some));
        drop(local);
        assert!(shares.is_empty());
    }
}
