//! `dashboard-cast cast`: a cast of the configuration, for as long as this runs.

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};
use zbus::names::OwnedUniqueName;

use super::{
    exit::Failure,
    screen::say,
    service::{Changes, Service, ServiceError, Session},
    watch::line,
};
use crate::{dbus::Bus, systemd};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// NAME of the section [casts.NAME] in the configuration.
    name: String,
}

/// Comes back when the cast has ended, whoever ended it. What ends this program ends the cast, unless it
/// is the service's restart: the next one goes on with it.
pub(super) async fn run(bus: Bus, Arguments { name }: Arguments) -> Result<(), Failure> {
    // One that comes during the start counts after it, so that nothing is left on the TV.
    let mut terminate = signal(SignalKind::terminate())?;
    let service = Service::connect(bus).await?;
    // Before the start, so that nothing is missed.
    let changes = service.changes().await?;
    have_run(&service, &name).await?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    systemd::ready();
    tokio::select! {
        ended = follow(&service, &changes, &name) => ended?,
        _ = terminate.recv() => leave(&service, &name).await?,
        _ = interrupt.recv() => leave(&service, &name).await?,
    }
    Ok(())
}

/// How the cast does.
enum Now {
    Runs(Box<Session>),
    Ended,
    /// The service is away, and with it all that is known.
    Unknown,
}

/// Says how the cast does until it has ended.
async fn follow(service: &Service, changes: &Changes, name: &str) -> Result<(), ServiceError> {
    let mut asked = service.owner().await?;
    let mut said = String::new();
    loop {
        let now = match look(service, name, &mut asked).await? {
            Now::Runs(session) => line(&session),
            Now::Unknown => "The service is not running; it is waited for.".to_owned(),
            Now::Ended => {
                say("The cast has ended.");
                return Ok(());
            }
        };
        if now != said {
            say(&now);
            systemd::status(&now);
            said = now;
        }
        changes.next().await;
    }
}

/// `asked` is the service that was asked to start it. The next one is asked as well where it has not gone on with
/// it. Whether people have its screen it may not know yet, and one that is asked for what runs would take that.
async fn look(
    service: &Service,
    name: &str,
    asked: &mut Option<OwnedUniqueName>,
) -> Result<Now, ServiceError> {
    let seen: Result<_, ServiceError> = async {
        let owner = service.owner().await?;
        if owner.is_none() {
            // A call would start it, and somebody may just have stopped it.
            return Ok(Now::Unknown);
        }
        let mut session = find(service, name).await?;
        if *asked != owner {
            if session.is_none() {
                service.start_named(name).await?;
                session = find(service, name).await?;
            }
            *asked = owner;
        }
        Ok(session.map_or(Now::Ended, |session| Now::Runs(Box::new(session))))
    }
    .await;
    match seen {
        Err(error) if error.is_away() => Ok(Now::Unknown),
        seen => seen,
    }
}

/// Starts it, which changes nothing where it runs already. Nor may anything where people have taken its screen:
/// a unit is also started because the machine was, or the service anew.
async fn have_run(service: &Service, name: &str) -> Result<(), ServiceError> {
    match find(service, name).await? {
        Some(session) if session.is_left_to_people() => Ok(()),
        _ => service.start_named(name).await.map(drop),
    }
}

async fn leave(service: &Service, name: &str) -> Result<(), ServiceError> {
    if service.is_restarting().await {
        return Ok(());
    }
    systemd::stopping();
    let stopped = async {
        match find(service, name).await? {
            Some(session) => service.stop(&session).await,
            None => Ok(()),
        }
    }
    .await;
    match stopped {
        Err(error) if error.is_away() => Ok(()),
        stopped => stopped,
    }
}

/// The session that is this cast.
async fn find(service: &Service, name: &str) -> Result<Option<Session>, ServiceError> {
    let sessions = service.objects().await?.sessions;
    Ok(sessions.into_iter().find(|session| session.target == name))
}
