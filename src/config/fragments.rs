//! Which files make up the configuration, by systemd's rules.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs, io,
    io::Read,
    path::{Path, PathBuf},
};

use super::problem::{ConfigError, Lines, Problem};

/// One file's text. Later fragments win over earlier ones, key by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fragment {
    pub path: PathBuf,
    pub text: String,
}

/// The first one wins: the administrator's, until the next boot, the site's, the vendor's.
const DIRECTORIES: [&str; 4] = ["etc", "run", "usr/local/lib", "usr/lib"];
const MAIN_FILE: &str = "dashboard-cast/dashboard-cast.toml";
const DROP_INS: &str = "dashboard-cast/conf.d";
/// A file of all keys with long comments is far below; a wrong path must cost neither memory nor time.
const LARGEST: u64 = 64 << 10;

/// Finds and reads the configuration below the filesystem root `root`: the main file of the first
/// directory that has one, then the drop-ins of all directories in the order of their names. Of
/// drop-ins with the same name only that of the first directory counts, so an empty file, or a link
/// to `/dev/null`, switches one off. No file at all is a configuration too.
///
/// # Errors
/// What could not be read, all of it.
pub fn locate(root: &Path) -> Result<Vec<Fragment>, ConfigError> {
    let mut problems = Vec::new();
    let mut paths = Vec::new();
    let directories = DIRECTORIES.map(|directory| root.join(directory));
    let mut main_files = directories.iter().map(|directory| directory.join(MAIN_FILE));
    paths.extend(main_files.find(|path| is_there(path)));
    let mut drop_ins = BTreeMap::new();
    for directory in &directories {
        let directory = directory.join(DROP_INS);
        match list(&directory) {
            Ok(names) => {
                for name in names {
                    let path = directory.join(&name);
                    drop_ins.entry(name).or_insert(path);
                }
            }
            Err(cause) => problems.push(Problem::Read { path: directory, cause }),
        }
    }
    paths.extend(drop_ins.into_values());
    read_all(paths, problems)
}

/// Reads these files, each of which must be there, in place of the search.
///
/// # Errors
/// What could not be read, all of it.
pub fn read_files(files: &[PathBuf]) -> Result<Vec<Fragment>, ConfigError> {
    read_all(files.to_vec(), Vec::new())
}

fn read_all(paths: Vec<PathBuf>, mut problems: Vec<Problem>) -> Result<Vec<Fragment>, ConfigError> {
    let mut fragments = Vec::new();
    for path in paths {
        match read(&path) {
            Ok(text) if text.is_empty() => {}
            Ok(text) => fragments.push(Fragment { path, text }),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        return Ok(fragments);
    }
    let files = fragments.into_iter().map(|fragment| fragment.path).collect();
    Err(ConfigError { problems, files, ..ConfigError::default() })
}

/// A link to nowhere is there, and so is what we may not look at: reading it will say what is wrong.
fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path)
        .map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |_| true)
}

/// The names of the drop-ins in a directory; one that is not there has none.
fn list(directory: &Path) -> io::Result<Vec<OsString>> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        if !hidden && Path::new(&name).extension().is_some_and(|extension| extension == "toml") {
            names.push(name);
        }
    }
    Ok(names)
}

fn read(path: &Path) -> Result<String, Problem> {
    let failed = |cause| Problem::Read { path: path.to_owned(), cause };
    if fs::read_link(path).is_ok_and(|target| target == Path::new("/dev/null")) {
        return Ok(String::new());
    }
    // Asked before opening: to open a pipe is to wait for its writer.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(Problem::NotAFile(path.to_owned()));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(failed)?;
    let length = file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(length).is_ok_and(|length| length > LARGEST) {
        return Err(Problem::TooLarge { path: path.to_owned(), limit: LARGEST });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        Problem::NotText { place: Lines::new(path, &text).place(valid) }
    })
}
