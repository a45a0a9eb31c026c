//! Examinations: by a unit of systemd's, or by a child where there is none. The daemon's own sandbox hides
//! what is to be looked at.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    net::UnixStream,
    process::Command,
    sync::Mutex,
    time::timeout,
};

use crate::{control::DiagnoseError, dbus::Bus};

/// Trying every encoder takes some seconds, and so does looking for TVs. Whoever asked waits for little
/// longer.
const LIMIT: Duration = Duration::from_secs(25);
/// A report has some ten thousand bytes.
const LARGEST: u64 = 1 << 20;

/// Has the machine examined.
#[derive(Debug)]
pub(super) struct Doctor {
    /// Behind the socket `doctor` in it, systemd starts an examination for each connection.
    sockets: Option<PathBuf>,
    bus: Option<Bus>,
    /// One is enough for a machine.
    turn: Mutex<()>,
}

impl Doctor {
    pub(super) fn new(sockets: Option<PathBuf>, bus: Option<Bus>) -> Self {
        Self { sockets, bus, turn: Mutex::default() }
    }

    /// What `dashboard-cast doctor --json` prints.
    pub(super) async fn diagnose(&self) -> Result<Value, DiagnoseError> {
        let report = async {
            let turn = self.turn.lock().await;
            let report = match &self.sockets {
                Some(sockets) => by_unit(&sockets.join("doctor")).await,
                None => by_child(self.bus).await,
            };
            drop(turn);
            report
        };
        let report = timeout(LIMIT, report).await.map_err(|_| DiagnoseError::Late)?;
        let report = report.map_err(DiagnoseError::Start)?;
        serde_json::from_slice(&report).map_err(DiagnoseError::Result)
    }
}

async fn by_unit(socket: &Path) -> io::Result<Vec<u8>> {
    read(UnixStream::connect(socket).await?).await
}

async fn by_child(bus: Option<Bus>) -> io::Result<Vec<u8>> {
    let mut command = Command::new(env::current_exe()?);
    if bus == Some(Bus::Session) {
        command.arg("--session");
    }
    let mut child = command
        .args(["doctor", "--json"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    // It was asked for above.
    let Some(output) = child.stdout.take() else { return Ok(Vec::new()) };
    let report = read(output).await?;
    // That it found something is not that it failed.
    child.wait().await?;
    Ok(report)
}

async fn read(from: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut report = Vec::new();
    from.take(LARGEST).read_to_end(&mut report).await?;
    Ok(report)
}
