//! `dashboard-cast daemon`: the service, in the foreground.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueHint};

use super::{exit::Failure, runtime};
use crate::{
    config::Source,
    daemon::{Daemon, state_directory},
    dbus::Bus,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Reads this file instead of those in /etc, /run and /usr/lib; may be given again.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Vec<PathBuf>,
    /// Listens here instead of where the configuration says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
}

pub(super) fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    let source = Source { files: arguments.config, listen: arguments.listen };
    let settings = source.read()?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    runtime()?.block_on(async {
        let daemon = Daemon::prepare(settings, Some(source), state_directory(), Some(bus)).await?;
        tracing::info!(address = %daemon.address()?, "ready");
        daemon.run().await?;
        Ok(())
    })
}
