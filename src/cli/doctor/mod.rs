//! `dashboard-cast doctor`: why a GPU is not used, or a TV is dark.

mod ask;
mod bundle;
#[cfg(test)]
mod tests;
mod text;

use std::path::PathBuf;

use clap::{Args, ValueHint, builder::PossibleValuesParser};

use super::{
    exit::Failure,
    runtime,
    screen::{Screen, print, print_json, say},
};
use crate::{
    access,
    dbus::Bus,
    doctor::{Machine, Report, Verdict, ids},
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Prints JSON, as /usr/share/doc/dashboard-cast/report.schema.json describes it.
    #[arg(long)]
    json: bool,
    /// Tells of this check only, and of what stands in its way; may be given again.
    #[arg(long, value_name = "ID", value_parser = PossibleValuesParser::new(ids()))]
    check: Vec<String>,
    /// Encodes nothing, looks for no TV, fetches no page and starts no service: what files and the running
    /// service tell.
    #[arg(long)]
    quick: bool,
    /// Also writes all that helps to find a fault into this file, without secrets, to be sent to
    /// somebody.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bundle: Option<PathBuf>,
}

/// Prints what was found. When something has to be seen to, it fails, so that scripts can ask.
pub(super) fn run(bus: Bus, arguments: &Arguments) -> Result<(), Failure> {
    let told = runtime()?.block_on(ask::all(bus, arguments.quick));
    let machine = Machine::new("/".into(), access::files(), told);
    let report = Report::of(&machine, &arguments.check);
    if arguments.json {
        print_json(&report)?;
    } else {
        print(&text::text(&report, Screen::of(&std::io::stdout())))?;
    }
    if let Some(path) = &arguments.bundle {
        bundle::write(path, &report)?;
        say(&format!("{} is ready. Read it before you send it to anybody.", path.display()));
    }
    if report.verdict == Verdict::Fail { Err(Failure::said()) } else { Ok(()) }
}
