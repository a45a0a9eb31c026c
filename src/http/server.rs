//! Connections: accepted, bounded in number and in patience, ended in time.

mod stall;

use std::{convert::Infallible, io, pin::pin, sync::Arc};

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
use crate::control::Core;

/// Longest request head, with all its fields.
const HEAD: usize = 16 * 1024;
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
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            (stream, permit) = accept(&listener, &room) => {
                let router = router.clone();
                let closed = closed.clone();
                let visit = activity.come();
                connections.spawn(async move {
                    if let Err(error) = converse(stream, router, limits, closed).await {
                        tracing::debug!(error = %error, "an HTTP connection ended early");
                    }
                    drop((permit, visit));
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
) -> (TcpStream, OwnedSemaphorePermit) {
    loop {
        // The semaphore is never closed; if it were, nobody would get in.
        let Ok(permit) = Arc::clone(room).acquire_owned().await else {
            return std::future::pending().await;
        };
        match listener.accept().await {
            Ok((stream, _)) => return (stream, permit),
            Err(error) if is_the_callers(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "cannot accept HTTP connections, trying again");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
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
