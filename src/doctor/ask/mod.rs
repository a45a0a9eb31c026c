//! What a machine can be asked beside its files. Nothing of it changes anything, and each question has
//! a limit of its own; who asks them together waits for the longest.

mod here;
mod pages;
mod systemd;
mod tvs;

use std::{process::Stdio, time::Duration};

use jiff::Timestamp;
use tokio::{process::Command, time::timeout};

pub use self::{
    here::{addresses, namespaces, search, space},
    pages::pages,
    systemd::{exposure, synchronised, units},
    tvs::tvs,
};
use super::told::Told;
use crate::config::Config;

/// All units of the package; of templates, any instance tells.
pub const UNITS: [&str; 8] = [
    "dashboard-cast.socket",
    "dashboard-cast.service",
    "dashboard-cast-encoder.socket",
    "dashboard-cast-encoder@doctor.service",
    "dashboard-cast-browser.socket",
    "dashboard-cast-browser@doctor.service",
    "dashboard-cast-doctor.socket",
    "dashboard-cast-doctor@doctor.service",
];

/// Those of them that run programs.
pub const SERVICES: [&str; 4] = [
    "dashboard-cast.service",
    "dashboard-cast-encoder@doctor.service",
    "dashboard-cast-browser@doctor.service",
    "dashboard-cast-doctor@doctor.service",
];

/// The directories whose file systems matter.
pub const DIRECTORIES: [&str; 4] = ["/var/lib/dashboard-cast", "/run", "/tmp", "/dev/shm"];

/// Asks all of it, all at once. The service, the GPUs and the encoders are for others to ask.
pub async fn all(config: &Config) -> Told {
    let (here, (tvs, wanted), pages) = tokio::join!(here(), tvs(config), pages(config));
    Told { tvs: Some(tvs), wanted, pages: Some(pages), ..here }
}

/// Asks this machine alone, which takes little time.
pub async fn here() -> Told {
    let root = rustix::process::geteuid().is_root();
    let (units, exposure, synchronised, namespaces) =
        tokio::join!(units(&UNITS), exposure(&SERVICES), synchronised(), namespaces(root));
    Told {
        root,
        search: Some(search()),
        addresses: addresses(),
        exposure,
        units,
        space: space(&DIRECTORIES),
        now: Some(Timestamp::now()),
        synchronised,
        namespaces,
        ..Told::default()
    }
}

/// What a program says, and whether it was content. `None` when it is not there or takes too long.
async fn said(program: &str, arguments: &[&str], limit: Duration) -> Option<Said> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(limit, command.output()).await.ok()?.ok()?;
    Some(Said {
        success: output.status.success(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

struct Said {
    success: bool,
    out: String,
    err: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_program_that_is_not_there_or_hangs_says_nothing() {
        let short = Duration::from_millis(200);
        assert!(said("/nowhere/systemctl", &[], short).await.is_none());
        assert!(said("sleep", &["60"], short).await.is_none());
        let said =
            said("sh", &["-c", "echo out; echo err >&2; exit 3"], Duration::from_secs(10)).await;
        let said = said.unwrap();
        assert_eq!((said.success, &*said.out, &*said.err), (false, "out\n", "err\n"));
    }
}
