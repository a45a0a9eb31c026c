//! What the service's user may read.

use std::{
    fs::{self, Metadata},
    os::unix::fs::MetadataExt,
    path::Path,
};

use super::machine::Machine;

/// The service runs as this user, and it is the group of those who may cast.
pub(super) const USER: &str = "dashboard-cast";

/// What the service's unit hides from it.
const HIDDEN: [&str; 4] = ["home", "root", "run/user", "tmp"];

/// Why the service cannot read this file, as a sentence; `None` when it can, or nobody can tell. Access
/// lists are not looked at.
pub(super) fn refusal(machine: &Machine, path: &Path) -> Option<String> {
    let path =
        path.strip_prefix(machine.root()).or_else(|_| path.strip_prefix("/")).unwrap_or(path);
    let shown = format!("/{}", path.display());
    if let Some(hidden) = HIDDEN.iter().find(|hidden| path.starts_with(hidden)) {
        return Some(format!("{shown}: what is below /{hidden} is hidden from the service"));
    }
    let account = Account::of(machine)?;
    let mut whole = machine.root().to_owned();
    let parts: Vec<_> = path.components().collect();
    for (at, part) in parts.iter().enumerate() {
        whole.push(part);
        let metadata = match fs::metadata(&whole) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Some(format!("{shown} is not there"));
            }
            Err(_) => return None,
        };
        let is_last = at + 1 == parts.len();
        if !account.has(&metadata, if is_last { 4 } else { 1 }) {
            let own: &Path = whole.strip_prefix(machine.root()).unwrap_or(&whole);
            return Some(format!("{shown}: the user {USER} may not read /{}", own.display()));
        }
    }
    None
}

/// The service's user.
struct Account {
    uid: u32,
    gids: Vec<u32>,
}

impl Account {
    fn of(machine: &Machine) -> Option<Self> {
        let users = machine.text("etc/passwd")?;
        let entry = users.lines().find(|line| line.split(':').next() == Some(USER))?;
        let mut fields = entry.split(':').skip(2);
        let uid = fields.next()?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let groups = machine.text("etc/group").unwrap_or_default();
        let more = groups.lines().filter_map(|line| {
            let mut fields = line.split(':').skip(2);
            let (id, members) = (fields.next()?, fields.next()?);
            members.split(',').any(|member| member == USER).then(|| id.parse().ok()).flatten()
        });
        Some(Self { uid, gids: std::iter::once(gid).chain(more).collect() })
    }

    fn has(&self, file: &Metadata, right: u32) -> bool {
        let shift = match () {
            () if self.uid == file.uid() => 6,
            () if self.gids.contains(&file.gid()) => 3,
            () => 0,
        };
        file.mode() >> shift & right != 0
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::doctor::testing::Tree;

    #[test]
    fn the_service_reads_what_its_user_may_and_its_unit_shows() {
        let tree = Tree::new().file("etc/secret/a.json", "{}").file("home/me/a.json", "{}");
        let machine = tree.machine();
        let secret = Path::new("/etc/secret/a.json");
        assert_eq!(refusal(&machine, secret), None, "without a user nobody can tell");
        let uid = fs::metadata(machine.path("etc/secret")).unwrap().uid() + 1;
        let tree =
            tree.file("etc/passwd", &format!("dashboard-cast:x:{uid}:{uid}::/:/bin/false\n"));
        let machine = tree.machine();
        let mode = |mode| fs::Permissions::from_mode(mode);
        assert_eq!(refusal(&machine, secret), None);
        fs::set_permissions(machine.path("etc/secret/a.json"), mode(0o600)).unwrap();
        assert!(refusal(&machine, secret).unwrap().contains("may not read /etc/secret/a.json"));
        fs::set_permissions(machine.path("etc/secret"), mode(0o700)).unwrap();
        assert!(refusal(&machine, secret).unwrap().ends_with("may not read /etc/secret"));
        assert!(refusal(&machine, Path::new("/etc/b")).unwrap().contains("not there"));
        let home = refusal(&machine, &machine.path("home/me/a.json")).unwrap();
        assert!(home.starts_with("/home/me/a.json: ") && home.contains("hidden"), "{home}");
    }
}
