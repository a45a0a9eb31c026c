//! What tests take from npm and PyPI: installed once for each version of what asks for it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
};

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name)
}

fn target(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// A directory with everything that `tests/NAME` has, and what its `package-lock.json` asks for.
#[track_caller]
pub(crate) fn from_npm(name: &str) -> PathBuf {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let target = target(name);
    copy(&source(name), &target);
    once(&target, &source(name).join("package-lock.json"), || {
        run(Command::new("npm")
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .arg("--cache")
            .arg(target.join("npm-cache"))
            .current_dir(&target));
    });
    target
}

/// The directory of the programs of a Python environment that has what `tests/tv/requirements.txt`
/// asks for.
#[track_caller]
pub(crate) fn from_pypi() -> PathBuf {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let target = target("senders");
    fs::create_dir_all(&target).expect("making a directory for the environment");
    let programs = target.join("bin");
    let wanted = source("tv").join("requirements.txt");
    once(&target, &wanted, || {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&target));
        run(Command::new(programs.join("pip"))
            .args(["install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:"])
            .arg("--requirement")
            .arg(&wanted));
    });
    programs
}

/// Runs `install` unless it has ended well for this content of `wanted`.
#[track_caller]
fn once(target: &Path, wanted: &Path, install: impl FnOnce()) {
    let wanted = fs::read(wanted).expect("what is to be installed");
    let note = target.join("installed");
    if fs::read(&note).is_ok_and(|installed| installed == wanted) {
        return;
    }
    install();
    fs::write(note, wanted).expect("noting what is installed");
}

#[track_caller]
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("making a directory");
    for entry in fs::read_dir(from).expect("reading a directory of the tests") {
        let from = entry.expect("a file of the tests").path();
        let to = to.join(from.file_name().expect("a file with a name"));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(&from, &to).expect("copying a file of the tests");
        }
    }
}

#[track_caller]
fn run(command: &mut Command) {
    let status = command
        .stdin(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("{command:?}: {error}: run .ci/setup test"));
    assert!(status.success(), "{command:?}: {status}");
}
