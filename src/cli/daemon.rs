//! `dashboard-cast daemon`: the service, in the foreground.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, ValueHint};

use super::{exit::Failure, runtime};
use crate::{
    config::Source,
    daemon::{Daemon, Surroundings, state_directory},
    dbus::Bus,
    privileges,
    systemd::Inherited,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Reads this file instead of those in /etc, /run and /usr/lib; may be given again.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Vec<PathBuf>,
    /// Listens here instead of where the configuration says.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// Has systemd start encoders and browsers, behind the sockets "encoder" and "browser" in this
    /// directory, instead of starting them itself. For the unit.
    #[arg(long, hide = true, value_name = "DIRECTORY", value_hint = ValueHint::DirPath)]
    unit_sockets: Option<PathBuf>,
}

pub(super) fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    // Both are for a process with one thread.
    privileges::drop_all()?;
    let sockets = Inherited::take()?;
    let source = Source { files: arguments.config, listen: arguments.listen };
    let settings = source.read()?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let surroundings = Surroundings {
        source: Some(source),
        state: state_directory(),
        bus: Some(bus),
        sockets,
        worker_sockets: arguments.unit_sockets,
    };
    runtime()?.block_on(async {
        let daemon = Daemon::prepare(settings, surroundings).await?;
        tracing::info!(address = %daemon.address()?, "ready");
        daemon.run().await?;
        Ok(())
    })
}
