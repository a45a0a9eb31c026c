//! Serves the pages of the cases.

use std::{collections::HashMap, path::Path};

use axum::{
    Router,
    extract::{Query, State},
    response::Html,
    routing::get,
};
use tokio::sync::watch;

use crate::support::files::Files;

/// A server of `benches/pages`, and of a page whose colour the bench decides.
#[derive(Debug)]
pub(crate) struct Pages {
    files: Files,
    to_page: watch::Sender<Colour>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    Red,
    Blue,
}

impl Colour {
    pub(crate) fn other(self) -> Self {
        match self {
            Self::Red => Self::Blue,
            Self::Blue => Self::Red,
        }
    }

    pub(crate) fn of([red, _, blue]: [u8; 3]) -> Self {
        if red > blue { Self::Red } else { Self::Blue }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Blue => "blue",
        }
    }
}

impl Pages {
    #[track_caller]
    pub(crate) fn serve() -> Self {
        let (to_page, colour) = watch::channel(Colour::Red);
        let mut router = Router::new().route("/colour", get(next_colour).with_state(colour));
        for name in ["charts", "static", "animation", "colour"] {
            let path =
                Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("benches/pages/{name}.html"));
            let page = std::fs::read_to_string(path).expect("a page of the bench");
            router = router.route(&format!("/{name}.html"), get(async || Html(page)));
        }
        Self { files: Files::serve_router(router), to_page }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.files.url(path)
    }

    /// Tells the page to show `colour`.
    pub(crate) fn show(&self, colour: Colour) {
        self.to_page.send_replace(colour);
    }
}

/// Answers as soon as the colour is another one than the page has.
async fn next_colour(
    State(mut colour): State<watch::Receiver<Colour>>,
    Query(query): Query<HashMap<String, String>>,
) -> &'static str {
    let have = query.get("have").map_or("", String::as_str);
    match colour.wait_for(|colour| colour.name() != have).await {
        Ok(colour) => colour.name(),
        // The bench has ended; so will the page.
        Err(_) => "red",
    }
}
