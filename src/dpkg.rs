//! What dpkg knows of a package. It is asked, since the form of its database is its own.

use std::{path::Path, process::Command};

/// A package in dpkg's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// How far dpkg came with it: dpkg-query(1), `db:Status-Status`.
    pub(crate) status: String,
    /// Empty when none was ever there.
    pub(crate) version: String,
}

impl Package {
    /// Its version, when it is installed.
    pub(crate) fn installed(self) -> Option<String> {
        (self.status == "installed").then_some(self.version)
    }
}

/// The package of that name on the system below `root`. `None` when dpkg does not know it, or is not there.
pub(crate) fn package(root: &Path, name: &str) -> Option<Package> {
    let output = Command::new("dpkg-query")
        .arg("--root")
        .arg(root)
        .args(["--show", "--showformat=${db:Status-Status}\n${Version}", name])
        .env("LC_ALL", "C")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    let (status, version) = text.split_once('\n')?;
    Some(Package { status: status.to_owned(), version: version.to_owned() })
}

/// The version of an installed package.
pub(crate) fn installed(root: &Path, name: &str) -> Option<String> {
    package(root, name)?.installed()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_package_is_there_with_a_version_in_a_state_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(package(root.path(), "chromium"), None);
        fs::create_dir_all(root.path().join("var/lib/dpkg")).unwrap();
        let list = "Package: chromium\nStatus: install ok installed\nVersion: 150.0-1\n\n\
                    Package: half\nStatus: install ok half-configured\nVersion: 2\n\n\
                    Package: removed\nStatus: deinstall ok config-files\nVersion: 3\n";
        fs::write(root.path().join("var/lib/dpkg/status"), list).unwrap();
        assert_eq!(installed(root.path(), "chromium").as_deref(), Some("150.0-1"));
        assert_eq!(installed(root.path(), "removed"), None);
        assert_eq!(
            package(root.path(), "half"),
            Some(Package { status: "half-configured".into(), version: "2".into() })
        );
        assert_eq!(package(root.path(), "unknown"), None);
    }
}
