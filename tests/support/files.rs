//! Serves a directory over HTTP to the browser of a test.

use std::{net::SocketAddr, path::PathBuf, thread};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use tokio::{net::TcpListener, runtime, sync::oneshot};

/// A server on a free port of the loopback; stops when dropped.
#[derive(Debug)]
pub(crate) struct Files {
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Files {
    #[track_caller]
    pub(crate) fn serve(root: impl Into<PathBuf>) -> Self {
        Self::serve_router(Router::new().route("/{*path}", get(file)).with_state(root.into()))
    }

    #[track_caller]
    pub(crate) fn serve_router(router: Router) -> Self {
        Self::serve_router_on(0, router)
    }

    /// On this port of the loopback, or any free one when it is 0.
    #[track_caller]
    pub(crate) fn serve_router_on(port: u16, router: Router) -> Self {
        let (to_stop, stop) = oneshot::channel::<()>();
        let runtime = runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("starting a runtime");
        let listener = runtime
            .block_on(TcpListener::bind(("127.0.0.1", port)))
            .expect("listening on the loopback");
        let address = listener.local_addr().expect("the server's address");
        thread::spawn(move || {
            runtime.block_on(async move {
                tokio::select! {
                    _ = stop => {}
                    _ = axum::serve(listener, router) => {}
                }
            });
        });
        Self { address, _stop: to_stop }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }
}

const NO_CACHE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");

async fn file(State(root): State<PathBuf>, Path(path): Path<String>) -> impl IntoResponse {
    let kind = match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("m3u8") => "application/vnd.apple.mpegurl",
        Some("m4s" | "mp4") => "video/mp4",
        _ => "application/octet-stream",
    };
    match std::fs::read(root.join(path)) {
        Ok(bytes) => (
            StatusCode::OK,
            [(header::CONTENT_TYPE, kind), NO_CACHE, (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")],
            bytes,
        )
            .into_response(),
        Err(error) => (StatusCode::NOT_FOUND, error.to_string()).into_response(),
    }
}
