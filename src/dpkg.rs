//! What dpkg knows of packages. It is asked, since the form of its database is its own.

use std::{collections::HashMap, path::Path, process::Command};

/// A package in dpkg's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// How far dpkg came with it: dpkg-query(1), `db:Status-Status`.
    pub(crate) status: String,
    /// Empty when none was ever there.
    version: String,
}

impl Package {
    /// Its version, when it is installed.
    pub(crate) fn installed(&self) -> Option<&str> {
        (self.status == "installed").then_some(&self.version)
    }
}

/// All packages in dpkg's list, by their names.
#[derive(Debug, Default)]
pub(crate) struct Packages(HashMap<String, Package>);

impl Packages {
    /// Those of the system below `root`; none where there is no dpkg. All at once: dpkg reads its whole list
    /// for one as well.
    pub(crate) fn of(root: &Path) -> Self {
        let mut command = Command::new("dpkg-query");
        command
            .arg("--root")
            .arg(root)
            .args(["--show", "--showformat=${Package}\t${db:Status-Status}\t${Version}\n"])
            .env("LC_ALL", "C");
        let list = command.output().map(|output| output.stdout).unwrap_or_default();
        let mut packages = HashMap::<String, Package>::new();
        for line in String::from_utf8_lossy(&list).lines() {
            let Some((name, (status, version))) =
                line.split_once('\t').and_then(|(name, rest)| Some((name, rest.split_once('\t')?)))
            else {
                continue;
            };
            let package = Package { status: status.to_owned(), version: version.to_owned() };
            // Of one name there is a package for each architecture.
            if packages.get(name).is_none_or(|other| other.installed().is_none()) {
                packages.insert(name.to_owned(), package);
            }
        }
        Self(packages)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Package> {
        self.0.get(name)
    }

    /// The version of an installed package.
    pub(crate) fn installed(&self, name: &str) -> Option<&str> {
        self.get(name)?.installed()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_package_is_there_with_a_version_in_a_state_or_not_at_all() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Packages::of(root.path()).get("chromium"), None);
        fs::create_dir_all(root.path().join("var/lib/dpkg")).unwrap();
        let list = "Package: chromium\nStatus: install ok installed\nVersion: 150.0-1\n\n\
                    Package: half\nStatus: install ok half-configured\nVersion: 2\n\n\
                    Package: removed\nStatus: deinstall ok config-files\nVersion: 3\n\n\
                    Package: both\nStatus: install ok installed\nArchitecture: amd64\n\
                    Multi-Arch: same\nVersion: 4\n\n\
                    Package: both\nStatus: deinstall ok config-files\nArchitecture: i386\n\
                    Multi-Arch: same\nVersion: 4\n";
        fs::write(root.path().join("var/lib/dpkg/status"), list).unwrap();
        let packages = Packages::of(root.path());
        assert_eq!(packages.installed("chromium"), Some("150.0-1"));
        assert_eq!(packages.installed("removed"), None);
        assert_eq!(packages.installed("both"), Some("4"));
        let half = Package { status: "half-configured".into(), version: "2".into() };
        assert_eq!(packages.get("half"), Some(&half));
        assert_eq!(packages.get("unknown"), None);
    }
}
