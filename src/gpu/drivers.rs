//! Which drivers of a GPU's media engine are installed.

use std::{
    collections::{BTreeMap, hash_map::DefaultHasher},
    fs,
    hash::{Hash, Hasher},
    os::unix::fs::MetadataExt,
    path::Path,
};

/// Where Debian has them, and where others do.
const DIRECTORIES: [&str; 5] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/x86_64-linux-gnu/dri",
    "usr/lib64/dri",
    "usr/lib/dri",
    "usr/local/lib/x86_64-linux-gnu",
];

/// The files of VA-API, its drivers, and QuickSync's runtimes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Drivers(BTreeMap<String, (u64, i64)>);

impl Drivers {
    pub(super) fn read(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        for directory in DIRECTORIES {
            for entry in fs::read_dir(root.join(directory)).into_iter().flatten().flatten() {
                let name = entry.file_name().to_string_lossy().into_owned();
                let begins = ["libmfx", "libvpl", "libva", "libigdgmm"];
                let is_one = begins.iter().any(|begin| name.starts_with(begin));
                if !is_one && !name.ends_with("_drv_video.so") {
                    continue;
                }
                // Of the file that a link leads to, which is what is loaded.
                if let Ok(file) = fs::metadata(entry.path()) {
                    files.insert(name, (file.size(), file.mtime()));
                }
            }
        }
        Self(files)
    }

    /// Whether a file of this name is installed.
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Another one after another driver was installed.
    pub(super) fn fingerprint(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        self.0.hash(&mut hasher);
        hasher.finish()
    }

    #[cfg(test)]
    pub(super) fn of(names: &[&str]) -> Self {
        Self(names.iter().map(|name| ((*name).to_owned(), (1, 1))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_is_replaced_is_another_one() {
        let root = tempfile::tempdir().unwrap();
        let directory = root.path().join(DIRECTORIES[1]);
        fs::create_dir_all(&directory).unwrap();
        assert_eq!(Drivers::read(root.path()), Drivers::default());
        fs::write(directory.join("iHD_drv_video.so"), "one").unwrap();
        fs::write(directory.join("libGL.so"), "none").unwrap();
        let before = Drivers::read(root.path());
        assert!(before.has("iHD_drv_video.so") && !before.has("libGL.so"));
        fs::write(directory.join("iHD_drv_video.so"), "another").unwrap();
        assert_ne!(Drivers::read(root.path()).fingerprint(), before.fingerprint());
    }
}
