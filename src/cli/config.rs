//! `dashboard-cast config check` and `config show`.

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::config::{Config, ConfigError, Loaded, Warning, locate, read_files};

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
            section = setting.section;
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

fn load(root: &Path, files: &[PathBuf]) -> Result<Loaded, ConfigError> {
    let fragments = if files.is_empty() { locate(root)? } else { read_files(files)? };
    Config::load(&fragments)
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
