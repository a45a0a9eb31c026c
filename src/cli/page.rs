//! `dashboard-cast navigate` and `reload-page`: another page in the same stream, or the same anew.

use clap::{Args, ValueHint};

use super::{
    exit::Failure,
    screen::done,
    service::{Service, Which},
};
use crate::dbus::Bus;

#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub(super) struct NavigateArguments {
    #[command(flatten)]
    which: Which,
    /// The page to show.
    #[arg(value_hint = ValueHint::Url)]
    url: String,
    /// Prints JSON, as `POST /sessions/ID/navigate` answers.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ReloadArguments {
    #[command(flatten)]
    which: Which,
    /// Prints JSON, as `POST /sessions/ID/reload` answers.
    #[arg(long)]
    json: bool,
}

pub(super) async fn navigate(bus: Bus, arguments: NavigateArguments) -> Result<(), Failure> {
    let service = Service::connect(bus).await?;
    let session = service.meant(&arguments.which).await?;
    service.navigate(&session, &arguments.url).await?;
    done(&format!("Session {} goes to that page.", session.id), arguments.json)
}

pub(super) async fn reload(bus: Bus, arguments: ReloadArguments) -> Result<(), Failure> {
    let service = Service::connect(bus).await?;
    let session = service.meant(&arguments.which).await?;
    service.reload_page(&session).await?;
    done(&format!("Session {} loads {} again.", session.id, session.url), arguments.json)
}
