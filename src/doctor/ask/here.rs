//! What this machine says of itself.

use std::{net::IpAddr, path::Path, time::Duration};

use rustix::fs::statvfs;

use super::{super::told::Space, said};
use crate::{cast::can_search, error::sentence};

const ANSWER: Duration = Duration::from_secs(3);

/// The file systems of these directories; of one that is not there, that of the next above.
pub fn space(directories: &[&str]) -> Vec<(String, Space)> {
    let look = |directory: &&str| {
        let found = Path::new(directory).ancestors().find_map(|path| statvfs(path).ok())?;
        let bytes = |blocks: u64| blocks.saturating_mul(found.f_frsize);
        let space = Space { free: bytes(found.f_bavail), size: bytes(found.f_blocks) };
        Some(((*directory).to_owned(), space))
    };
    directories.iter().filter_map(look).collect()
}

/// The addresses of all interfaces that are up.
pub fn addresses() -> Vec<(String, IpAddr)> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
    let up = interfaces.into_iter().filter(if_addrs::Interface::is_oper_up);
    up.map(|interface| (interface.name.clone(), interface.ip())).collect()
}

/// Whether TVs could be heard.
///
/// # Errors
/// Why not, as a sentence.
pub fn search() -> Result<(), String> {
    can_search().map_err(|error| sentence(&error))
}

/// Whether a user without rights can make a user namespace, as Chromium does; root asks as such a user.
/// `None` where nobody can tell: a unit's sandbox, as the service's own examination is in, allows none.
pub async fn namespaces(root: bool) -> Option<Result<(), String>> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    if is_confined(&status) {
        return None;
    }
    let unshare = ["unshare", "--user", "--map-root-user", "true"];
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let said = match root {
        true => said("setpriv", &[&nobody[..], &unshare].concat(), ANSWER).await?,
        false => said(unshare[0], &unshare[1..], ANSWER).await?,
    };
    let why = said.err.trim();
    match said.success {
        true => Some(Ok(())),
        // Only what was refused tells something of namespaces.
        false if why.contains("unshare") => Some(Err(why.to_owned())),
        false => None,
    }
}

/// Containers have filters for system calls as well, but not this.
fn is_confined(status: &str) -> bool {
    status.lines().any(|line| line.split_whitespace().eq(["NoNewPrivs:", "1"]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_is_known_by_its_status() {
        assert!(is_confined("Name:\ta\nNoNewPrivs:\t1\nSeccomp:\t2\n"));
        assert!(!is_confined("Name:\ta\nNoNewPrivs:\t0\nSeccomp:\t2\n"));
    }

    #[test]
    fn file_systems_have_a_size_also_of_what_is_not_there_yet() {
        let found = space(&["/proc", "/", "/tmp/is/not/there"]);
        assert_eq!(found.len(), 3);
        assert!(found[2].1.size > 0 && found[2].1.free <= found[2].1.size);
    }

    #[test]
    fn a_machine_has_its_own_address() {
        assert!(addresses().iter().any(|(_, address)| address.is_loopback()));
    }
}
