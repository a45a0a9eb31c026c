//! `dashboard-cast config check` and `config show`.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand, ValueHint};
use serde_json::{Value, json};

use super::{exit::Failure, screen::print_json};
use crate::config::{Config, ConfigError, Loaded, Setting, Warning, locate, read_files};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: What,
    /// Reads this file instead of those in /etc, /run and /usr/lib; may be given again.
    #[arg(long, value_name = "FILE", global = true, value_hint = ValueHint::FilePath)]
    config: Vec<PathBuf>,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Says which files are read and what is wrong in them.
    Check,
    /// Prints what holds, each value with its origin.
    Show,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let (root, files) = (Path::new("/"), &*arguments.config);
    let usable = match (&arguments.what, arguments.json) {
        (What::Check, false) => check(root, files, &mut io::stdout())?,
        (What::Show, false) => show(root, files, &mut io::stdout())?,
        (What::Check, true) => {
            let loaded = load(root, files);
            print_json(&checked(&loaded))?;
            loaded.is_ok()
        }
        (What::Show, true) => {
            print_json(&shown(&load(root, files)?.settings))?;
            true
        }
    };
    if usable { Ok(()) } else { Err(Failure::said_of_configuration()) }
}

/// Reads `files` or, when there are none, what is found below `root`.
pub(super) fn load(root: &Path, files: &[PathBuf]) -> Result<Loaded, ConfigError> {
    let fragments = if files.is_empty() { locate(root)? } else { read_files(files)? };
    Config::load(&fragments)
}

/// Prints which files were read and what is wrong in them. Returns whether the configuration can be
/// used. `files`, when there are any, replace the search below `root`.
///
/// # Errors
/// Writing to `out`.
pub fn check(root: &Path, files: &[PathBuf], out: &mut impl Write) -> io::Result<bool> {
    match load(root, files) {
        Ok(loaded) => {
            write_files(&loaded.files, out)?;
            write_warnings(&loaded.warnings, out)?;
            writeln!(out, "The configuration can be used.")?;
            Ok(true)
        }
        Err(error) => {
            write_files(&error.files, out)?;
            write_warnings(&error.warnings, out)?;
            write_problems(&error, out)?;
            Ok(false)
        }
    }
}

/// Prints the configuration as it holds, as TOML, each value with its origin. Returns whether it
/// can be used; when not, what is wrong is printed instead.
///
/// # Errors
/// Writing to `out`.
pub fn show(root: &Path, files: &[PathBuf], out: &mut impl Write) -> io::Result<bool> {
    let loaded = match load(root, files) {
        Ok(loaded) => loaded,
        Err(error) => {
            write_problems(&error, out)?;
            return Ok(false);
        }
    };
    let mut section = "";
    for setting in &loaded.settings {
        if setting.section != section {
            let gap = if section.is_empty() { "" } else { "\n" };
            section = &setting.section;
            writeln!(out, "{gap}[{section}]")?;
        }
        write!(out, "{} = {} # ", setting.key, setting.value)?;
        match &setting.from {
            Some(place) => writeln!(out, "from {}:{}", place.file.display(), place.line)?,
            None => writeln!(out, "default")?,
        }
    }
    Ok(true)
}

fn checked(loaded: &Result<Loaded, ConfigError>) -> Value {
    let (files, warnings, problems) = match loaded {
        Ok(loaded) => (&loaded.files, &loaded.warnings, &[][..]),
        Err(error) => (&error.files, &error.warnings, &*error.problems),
    };
    let files: Vec<_> = files.iter().map(|file| file.display().to_string()).collect();
    let warnings: Vec<_> = warnings.iter().map(ToString::to_string).collect();
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    json!({"usable": loaded.is_ok(), "files": files, "warnings": warnings, "problems": problems})
}

/// Sections with their keys; each has its value, and where it comes from or `null` for a default.
fn shown(settings: &[Setting]) -> Value {
    let mut sections: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    for Setting { section, key, value, from } in settings {
        let from = from.as_ref().map(|place| format!("{}:{}", place.file.display(), place.line));
        let setting = json!({"value": value, "from": from});
        sections.entry(section).or_default().insert(key, setting);
    }
    json!(sections)
}

fn write_files(files: &[PathBuf], out: &mut impl Write) -> io::Result<()> {
    if files.is_empty() {
        writeln!(out, "No configuration file was read; the defaults hold.")?;
    }
    for file in files {
        writeln!(out, "Read {}.", file.display())?;
    }
    Ok(())
}

fn write_warnings(warnings: &[Warning], out: &mut impl Write) -> io::Result<()> {
    warnings.iter().try_for_each(|warning| writeln!(out, "Warning: {warning}"))
}

fn write_problems(error: &ConfigError, out: &mut impl Write) -> io::Result<()> {
    for problem in &error.problems {
        writeln!(out, "Error: {problem}")?;
    }
    match error.problems.len() {
        1 => writeln!(out, "The configuration cannot be used: correct this error."),
        count => writeln!(out, "The configuration cannot be used: correct these {count} errors."),
    }
}
