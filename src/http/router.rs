//! Every route in one place.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method, StatusCode, Uri, header},
    middleware,
    response::Response,
    routing::{get, post},
};

use super::{
    App, Media, access,
    api::{self, Control},
    media::{self, Playback},
    page::ASSETS,
    problem::Problem,
};
use crate::control::Core;

/// The whole server as a service. Each request must carry
/// [`ConnectInfo`](axum::extract::ConnectInfo)`<`[`Connection`](super::Connection)`>`.
pub fn router<C: Core, M: Media>(app: App<C, M>) -> Router {
    let media =
        media_routes(Playback { media: app.media, first_segment: app.limits.first_segment });
    let control = Control { core: app.core, limits: app.limits };
    control_routes(control, app.access)
        .merge(media)
        .merge(page_routes())
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::map_response(add_common_headers))
}

fn control_routes<C: Core>(control: Control<C>, access: Arc<access::Access>) -> Router {
    let control = Arc::new(control);
    Router::new()
        .route("/start", post(api::start::<C>))
        .route("/casts/{name}/start", post(api::start_named::<C>))
        .route("/casts/{name}/stop", post(api::stop_named::<C>))
        .route("/stop", post(api::stop::<C>))
        .route("/status", get(api::status::<C>))
        .route("/health", get(api::health::<C>))
        .route("/doctor", get(api::doctor::<C>))
        .route("/devices", get(api::devices::<C>))
        .route("/sessions", get(api::sessions::<C>))
        .route("/sessions/{id}", get(api::session::<C>).delete(api::delete_session::<C>))
        .route("/sessions/{id}/navigate", post(api::navigate::<C>))
        .route("/sessions/{id}/reload", post(api::reload::<C>))
        .route("/sessions/{id}/timeline", get(api::timeline::<C>))
        .route("/sessions/{id}/snapshot.png", get(api::picture::<C>))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&control), api::deadline::<C>))
        // The last layer is the first to see a request.
        .route_layer(middleware::from_fn_with_state(access, access::guard))
        .with_state(control)
}

fn media_routes<M: Media>(playback: Playback<M>) -> Router {
    Router::new()
        .route("/media/{token}/{file}", get(media::get::<M>).options(media::options))
        .route_layer(middleware::map_response(media::add_cors))
        .with_state(Arc::new(playback))
}

fn page_routes() -> Router {
    ASSETS.into_iter().fold(Router::new(), |router, asset| {
        router.route(asset.path, get(move || async move { asset }))
    })
}

async fn not_found(uri: Uri) -> Problem {
    Problem::new(StatusCode::NOT_FOUND, format!("there is nothing at {}", uri.path())).hint(
        "The web page is at /, the control API at /start, /stop, /status, /health, /doctor, /devices and /sessions.",
    )
}

async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{} does not take {method}", uri.path()))
}

/// Tells browsers to make nothing of an answer but what it says it is. Control answers are not
/// stored: they hold media addresses. The media routes have let other origins in by then.
async fn add_common_headers(mut response: Response) -> Response {
    const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
    let headers = response.headers_mut();
    let shared = headers.contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN);
    let policy = if shared { "cross-origin" } else { "same-origin" };
    headers.insert(RESOURCE_POLICY, HeaderValue::from_static(policy));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    for (name, value) in
        [(header::X_CONTENT_TYPE_OPTIONS, "nosniff"), (header::REFERRER_POLICY, "no-referrer")]
    {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
