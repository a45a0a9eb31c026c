//! The control API: requests in, the core's answers out.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State},
    http::{HeaderMap, Method, StatusCode},
    middleware::Next,
    response::Response,
};
use serde_json::Value;
use tokio::time::timeout;

use super::{
    Limits,
    body::read_json,
    connection::BaseUrl,
    problem::Problem,
    range,
    view::{
        Devices, Done, NavigateRequest, SessionView, Sessions, Started, Status, StopRequest,
        Success, Timeline,
    },
};
use crate::{
    control::{Core, DiagnoseError, HealthReport, Lost, to_the_end},
    error::sentence,
    ids::SessionId,
    session::{NavigateError, PictureError, StartError, StartErrorKind, StartRequest, Stopped},
};

/// What the control API's routes share.
#[derive(Debug)]
pub(super) struct Control<C> {
    pub(super) core: Arc<C>,
    pub(super) limits: Limits,
}

type Shared<C> = State<Arc<Control<C>>>;

pub(super) async fn start<C: Core>(
    State(control): Shared<C>,
    base: BaseUrl,
    request: Request,
) -> Result<Json<Started>, Problem> {
    let request: StartRequest =
        read_json(request, control.limits.request_read).await?.ok_or_else(empty)?;
    let core = Arc::clone(&control.core);
    let session = to_the_end(async move { core.start(request).await }).await??;
    Ok(Json(Started { status: Success::Success, session: SessionView::new(session, &base) }))
}

pub(super) async fn start_named<C: Core>(
    State(control): Shared<C>,
    base: BaseUrl,
    Path(cast): Path<String>,
) -> Result<Json<Started>, Problem> {
    let core = Arc::clone(&control.core);
    let session = to_the_end(async move { core.start_named(cast).await }).await??;
    Ok(Json(Started { status: Success::Success, session: SessionView::new(session, &base) }))
}

/// Ends the cast, and is content when it does not run: who presses a button again means the same.
pub(super) async fn stop_named<C: Core>(
    State(control): Shared<C>,
    Path(cast): Path<String>,
) -> Result<Json<Done>, Problem> {
    let running = control.core.sessions().into_iter().find(|session| session.target == cast);
    let core = Arc::clone(&control.core);
    let stopped = match running {
        Some(session) => to_the_end(async move { core.stop(Some(session.id)).await }).await?,
        None => Stopped::NotRunning,
    };
    Ok(Json(Done {
        status: Success::Success,
        message: match stopped {
            Stopped::Stopped => "The cast was stopped.",
            Stopped::NotRunning => "The cast was not running.",
        },
    }))
}

pub(super) async fn stop<C: Core>(
    State(control): Shared<C>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let StopRequest { session_id } =
        read_json(request, control.limits.request_read).await?.unwrap_or_default();
    let all = session_id.is_none();
    let core = Arc::clone(&control.core);
    let stopped = to_the_end(async move { core.stop(session_id).await }).await?;
    Ok(Json(Done {
        status: Success::Success,
        message: match (stopped, all) {
            (Stopped::Stopped, true) => "Casting stopped.",
            (Stopped::Stopped, false) => "The session was stopped.",
            (Stopped::NotRunning, true) => "Nothing was running.",
            (Stopped::NotRunning, false) => "No such session was running.",
        },
    }))
}

pub(super) async fn status<C: Core>(State(control): Shared<C>, base: BaseUrl) -> Json<Status> {
    Json(Status::new(views(&control, &base)))
}

pub(super) async fn health<C: Core>(State(control): Shared<C>) -> Json<HealthReport> {
    Json(HealthReport::of(&*control.core))
}

pub(super) async fn doctor<C: Core>(State(control): Shared<C>) -> Result<Json<Value>, Problem> {
    Ok(Json(control.core.diagnose().await?))
}

pub(super) async fn devices<C: Core>(State(control): Shared<C>) -> Json<Devices> {
    Json(Devices { devices: control.core.devices() })
}

pub(super) async fn sessions<C: Core>(State(control): Shared<C>, base: BaseUrl) -> Json<Sessions> {
    Json(Sessions { sessions: views(&control, &base) })
}

pub(super) async fn session<C: Core>(
    State(control): Shared<C>,
    base: BaseUrl,
    Path(id): Path<String>,
) -> Result<Json<SessionView>, Problem> {
    let snapshot =
        control.core.session(&SessionId::from(id.as_str())).ok_or_else(no_such_session)?;
    Ok(Json(SessionView::new(snapshot, &base)))
}

pub(super) async fn timeline<C: Core>(
    State(control): Shared<C>,
    Path(id): Path<String>,
) -> Result<Json<Timeline>, Problem> {
    let events = control.core.timeline(&SessionId::from(id.as_str()));
    Ok(Json(Timeline { events: events.ok_or_else(no_such_session)?.to_vec() }))
}

pub(super) async fn delete_session<C: Core>(
    State(control): Shared<C>,
    Path(id): Path<String>,
) -> Result<Json<Done>, Problem> {
    let core = Arc::clone(&control.core);
    let id = SessionId::from(id.as_str());
    match to_the_end(async move { core.stop(Some(id)).await }).await? {
        Stopped::Stopped => {
            Ok(Json(Done { status: Success::Success, message: "The session was stopped." }))
        }
        Stopped::NotRunning => Err(no_such_session()),
    }
}

pub(super) async fn navigate<C: Core>(
    State(control): Shared<C>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Done>, Problem> {
    let NavigateRequest { url } =
        read_json(request, control.limits.request_read).await?.ok_or_else(empty)?;
    let core = Arc::clone(&control.core);
    let id = SessionId::from(id.as_str());
    to_the_end(async move { core.navigate(&id, url).await }).await??;
    Ok(Json(Done { status: Success::Success, message: "The session goes to that page." }))
}

pub(super) async fn reload<C: Core>(
    State(control): Shared<C>,
    Path(id): Path<String>,
) -> Result<Json<Done>, Problem> {
    control.core.reload_page(&SessionId::from(id.as_str())).await?;
    Ok(Json(Done { status: Success::Success, message: "The page is loaded again." }))
}

pub(super) async fn picture<C: Core>(
    State(control): Shared<C>,
    method: Method,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let picture = control.core.picture(&SessionId::from(id.as_str())).await?;
    Ok(range::respond(&method, &headers, "image/png", "no-store", picture))
}

/// Bounds the time that a control request can take.
pub(super) async fn deadline<C: Core>(
    State(control): Shared<C>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let limit = control.limits.control;
    timeout(limit, next.run(request)).await.map_err(|_| {
        Problem::new(
            StatusCode::GATEWAY_TIMEOUT,
            format!("there was no answer within {} s", limit.as_secs()),
        )
        .hint("What was asked for may still happen; GET /status tells.")
    })
}

fn views<C: Core>(control: &Control<C>, base: &BaseUrl) -> Vec<SessionView> {
    let sessions = control.core.sessions();
    sessions.into_iter().map(|snapshot| SessionView::new(snapshot, base)).collect()
}

fn empty() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "the body is empty")
        .hint("Send JSON such as {\"url\": \"http://host/\"}.")
}

fn no_such_session() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such session is running")
        .hint("GET /sessions lists what is.")
}

impl From<DiagnoseError> for Problem {
    fn from(error: DiagnoseError) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, sentence(&error)).hint(DiagnoseError::HINT)
    }
}

impl From<Lost> for Problem {
    fn from(lost: Lost) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, lost.to_string()).hint(Lost::HINT)
    }
}

impl From<StartError> for Problem {
    fn from(error: StartError) -> Self {
        let status = match error.kind {
            StartErrorKind::Invalid => StatusCode::BAD_REQUEST,
            StartErrorKind::NoDevice | StartErrorKind::NoCast => StatusCode::NOT_FOUND,
            StartErrorKind::Forbidden => StatusCode::FORBIDDEN,
            StartErrorKind::Busy => StatusCode::SERVICE_UNAVAILABLE,
            StartErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let problem = Self::new(status, error.message);
        match error.hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

impl From<NavigateError> for Problem {
    fn from(error: NavigateError) -> Self {
        let status = match error {
            NavigateError::NoSession => return no_such_session(),
            NavigateError::Address(_) | NavigateError::Credentials => StatusCode::BAD_REQUEST,
            NavigateError::Forbidden(_) => StatusCode::FORBIDDEN,
            NavigateError::Shared { .. } => StatusCode::CONFLICT,
            NavigateError::Busy => StatusCode::SERVICE_UNAVAILABLE,
        };
        let problem = Self::new(status, error.to_string());
        match error {
            NavigateError::Busy => problem.retry_after_a_second(),
            _ => match error.hint() {
                Some(hint) => problem.hint(hint),
                None => problem,
            },
        }
    }
}

impl From<PictureError> for Problem {
    fn from(error: PictureError) -> Self {
        match error {
            PictureError::NoSession => no_such_session(),
            PictureError::NotYet => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).retry_after_a_second()
            }
            PictureError::Failed(_) => {
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
            }
        }
    }
}
