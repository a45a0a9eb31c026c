//! `dashboard-cast stop`: ends sessions.

use clap::Args;

use super::{
    exit::Failure,
    screen::done,
    service::{Service, ServiceError, choose},
};
use crate::dbus::Bus;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The sessions to end, each given by its id, the beginning of it, its TV or its target;
    /// by default the only one.
    #[arg(value_name = "SESSION")]
    sessions: Vec<String>,
    /// Ends all sessions.
    #[arg(long, conflicts_with = "sessions")]
    all: bool,
    /// Prints JSON, as `POST /stop` answers.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    let service = Service::connect(bus).await?;
    let stopped = match arguments.all {
        true => match service.stop_all().await? {
            0 => None,
            1 => Some("Stopped 1 session.".to_owned()),
            several => Some(format!("Stopped {several} sessions.")),
        },
        false => stop_some(&service, &arguments.sessions).await?,
    };
    done(stopped.as_deref().unwrap_or("Nothing was running."), arguments.json)
}

/// Ends the sessions with these names, or the only one, and says which they were.
async fn stop_some(service: &Service, names: &[String]) -> Result<Option<String>, ServiceError> {
    let running = service.objects().await?.sessions;
    // All of them are understood before the first one is ended.
    let mut meant = match names {
        [] if running.is_empty() => return Ok(None),
        [] => vec![choose(&running, None)?],
        names => {
            let chosen = names.iter().map(|name| choose(&running, Some(name)));
            chosen.collect::<Result<Vec<_>, _>>()?
        }
    };
    meant.sort_by(|one, other| one.id.cmp(&other.id));
    meant.dedup_by(|one, other| one.id == other.id);
    let mut lines = Vec::new();
    for session in meant {
        match service.stop(session).await {
            // One that ended by itself is where it was wanted.
            Ok(()) | Err(ServiceError::Ended) => {}
            Err(error) => return Err(error),
        }
        lines.push(format!("Stopped {}, {}.", session.id, session.title()));
    }
    Ok(Some(lines.join("\n")))
}
