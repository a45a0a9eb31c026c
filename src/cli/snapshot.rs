//! `dashboard-cast snapshot`: what is on a stream now, as a picture.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::PathBuf,
};

use clap::{Args, ValueHint};
use serde_json::json;
use thiserror::Error;

use super::{
    exit::Failure,
    screen::print_json,
    service::{Service, Which},
};
use crate::dbus::Bus;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Where to write the PNG to; "-" is stdout.
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: PathBuf,
    /// Prints which session it shows, as JSON.
    #[arg(long)]
    json: bool,
}

/// Why a picture is nowhere.
#[derive(Debug, Error)]
pub(super) enum SnapshotError {
    #[error("a terminal cannot show a PNG")]
    Terminal,
    #[error("stdout cannot take both a PNG and JSON")]
    Both,
    #[error("writing {file}")]
    Write {
        file: String,
        #[source]
        cause: io::Error,
    },
}

pub(super) async fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    let Arguments { which, output, json } = arguments;
    let to_stdout = output.as_os_str() == "-";
    // Before anybody is asked for it.
    if to_stdout && json {
        return Err(SnapshotError::Both.into());
    }
    if to_stdout && io::stdout().is_terminal() {
        return Err(SnapshotError::Terminal.into());
    }
    let service = Service::connect(bus).await?;
    let session = service.meant(&which).await?;
    let picture = service.snapshot(&session).await?;
    if to_stdout {
        let mut out = io::stdout().lock();
        out.write_all(&picture)?;
        out.flush()?;
        return Ok(());
    }
    let file = output.display().to_string();
    if let Err(cause) = fs::write(&output, picture) {
        return Err(SnapshotError::Write { file, cause }.into());
    }
    if json {
        print_json(&json!({"status": "success", "session_id": session.id, "file": file}))?;
    }
    Ok(())
}
