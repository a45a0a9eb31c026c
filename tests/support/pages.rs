//! A web server whose pages a test can change, and break.

use std::{
    collections::BTreeMap,
    future,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::{clock::Picture, files::Files};

/// How one address answers.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Page(u16, String),
    Download(String),
    /// The request is taken and never answered.
    Silence,
}

type Content = Arc<Mutex<BTreeMap<String, Reply>>>;

/// Ends when dropped.
#[derive(Debug)]
pub(crate) struct Pages {
    files: Files,
    content: Content,
}

impl Pages {
    #[track_caller]
    pub(crate) fn serve() -> Self {
        Self::serve_on(0)
    }

    #[track_caller]
    pub(crate) fn serve_on(port: u16) -> Self {
        let content = Content::default();
        let router = Router::new().route("/{*path}", get(answer)).with_state(Arc::clone(&content));
        Self { files: Files::serve_router_on(port, router), content }
    }

    /// From now on `path`, without a slash in front, answers so.
    pub(crate) fn put(&self, path: &str, reply: Reply) {
        self.content.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), reply);
    }

    pub(crate) fn put_page(&self, path: &str, page: impl Into<String>) {
        self.put(path, Reply::Page(200, page.into()));
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.files.url(path)
    }
}

async fn answer(State(content): State<Content>, Path(path): Path<String>) -> Response {
    const NO_CACHE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");
    let reply = content.lock().unwrap_or_else(PoisonError::into_inner).get(&path).cloned();
    match reply {
        Some(Reply::Page(status, page)) => (
            StatusCode::from_u16(status).expect("a status"),
            [(header::CONTENT_TYPE, "text/html; charset=utf-8"), NO_CACHE],
            page,
        )
            .into_response(),
        Some(Reply::Download(content)) => {
            ([(header::CONTENT_DISPOSITION, "attachment; filename=report.csv"), NO_CACHE], content)
                .into_response()
        }
        Some(Reply::Silence) => future::pending().await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// A colour that no browser and no slate has of its own.
pub(crate) const COLOUR: [u8; 3] = [0x3a, 0x9b, 0x55];
/// The slate's background.
pub(crate) const SLATE: [u8; 3] = [0x17, 0x1c, 0x26];

/// A page of nothing but [`COLOUR`], which does what `script` says.
pub(crate) fn plain(script: &str) -> String {
    coloured(COLOUR, script)
}

pub(crate) fn coloured([red, green, blue]: [u8; 3], script: &str) -> String {
    format!(
        "<!doctype html><title>One colour</title>\
         <body style='margin:0;background:rgb({red},{green},{blue})'><script>{script}</script>"
    )
}

impl Picture {
    /// Where a pixel has another colour than this, if anywhere.
    pub(crate) fn stain(&self, colour: [u8; 3]) -> Option<String> {
        let at = self.rgb.chunks_exact(3).position(|pixel| pixel != colour)?;
        let (x, y) = (at as u32 % self.width, at as u32 / self.width);
        Some(format!("{:?} at {x},{y}, not {colour:?}", self.pixel(x, y)))
    }

    /// Whether it is a slate with words on it.
    pub(crate) fn is_slate(&self) -> bool {
        self.pixel(0, 0) == SLATE && self.stain(SLATE).is_some()
    }
}
