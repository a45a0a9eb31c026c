//! The command line: what may be typed, and what becomes of it.

mod cast;
pub mod config;
mod daemon;
mod demo;
mod devices;
mod doctor;
mod exit;
mod generate;
mod gpu;
mod health;
mod page;
mod proxmox;
mod reload;
mod screen;
mod service;
mod sessions;
mod snapshot;
mod start;
mod status;
mod stop;
mod table;
mod watch;

use std::{io::IsTerminal, path::PathBuf, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use self::exit::Failure;
use crate::{daemon::give_back_what_is_large, dbus::Bus, privileges, process, systemd::Journal};

/// Keeps web dashboards on TVs: renders the page, encodes it, streams it.
#[derive(Debug, Parser)]
#[command(name = "dashboard-cast", version, max_term_width = 100)]
struct Arguments {
    /// Uses this user's session bus instead of the system bus, where the installed service is.
    #[arg(long = "session", id = "session-bus", global = true, display_order = 900)]
    session_bus: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Shows a page on a TV, or as a stream alone, and prints the session's id.
    Start(Box<start::Arguments>),
    /// Shows a cast of the configuration for as long as this runs.
    Cast(cast::Arguments),
    /// Ends sessions; their TVs go back to their own screen.
    Stop(stop::Arguments),
    /// Lists what is running, or shows all of one session.
    Status(status::Arguments),
    /// Shows what is running, as it changes; in a pipe, prints a line for each change.
    Watch(watch::Arguments),
    /// Lists the TVs of the network and of the configuration.
    Devices(devices::Arguments),
    /// Saves what is on the stream now as a picture.
    Snapshot(snapshot::Arguments),
    /// Shows another page in the same stream and on the same TV.
    Navigate(page::NavigateArguments),
    /// Loads the page again.
    ReloadPage(page::ReloadArguments),
    /// Says whether all is well; when not, it fails.
    Health(health::Arguments),
    /// Finds out why a GPU is not used or a TV is dark, and what to do about it.
    Doctor(doctor::Arguments),
    /// Lists the GPUs' nodes, who owns them, and whether encoders may open them.
    GpuGroups(gpu::Arguments),
    /// On a Proxmox host, gives its GPU to a container or a virtual machine.
    Proxmox(proxmox::Arguments),
    /// Has the service read its configuration again, and lists what changed.
    Reload(reload::Arguments),
    /// Checks or shows the configuration.
    Config(config::Arguments),
    /// Shows a page, or a built-in sample dashboard, as a stream to look at in a browser.
    Demo(demo::Arguments),
    /// Runs the service in the foreground.
    Daemon(daemon::Arguments),
    /// Writes what the package has beside the program.
    #[command(hide = true)]
    Generate {
        #[command(subcommand)]
        what: generate::What,
    },
    /// Lets encoders open the GPUs' nodes; started before an encoder by its unit.
    #[command(hide = true)]
    GpuAccess,
    /// Runs one part of a session; started by the daemon.
    #[command(hide = true)]
    Worker {
        #[command(subcommand)]
        role: Role,
    },
}

#[derive(Debug, Subcommand)]
enum Role {
    Encoder,
    Browser {
        #[arg(long)]
        directory: PathBuf,
    },
}

/// Runs the program as it was called.
pub fn run() -> ExitCode {
    let Arguments { session_bus, verb } = Arguments::parse();
    start_log(&verb);
    let bus = if session_bus { Bus::Session } else { Bus::System };
    exit::report(carry_out(bus, verb))
}

fn carry_out(bus: Bus, verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Start(arguments) => ask(start::run(bus, *arguments)),
        Verb::Cast(arguments) => ask(cast::run(bus, arguments)),
        Verb::Stop(arguments) => ask(stop::run(bus, arguments)),
        Verb::Status(arguments) => ask(status::run(bus, arguments)),
        Verb::Watch(arguments) => ask(watch::run(bus, arguments)),
        Verb::Devices(arguments) => devices::run(bus, arguments),
        Verb::Snapshot(arguments) => ask(snapshot::run(bus, arguments)),
        Verb::Navigate(arguments) => ask(page::navigate(bus, arguments)),
        Verb::ReloadPage(arguments) => ask(page::reload(bus, arguments)),
        Verb::Health(arguments) => ask(health::run(bus, arguments)),
        Verb::Doctor(arguments) => doctor::run(bus, &arguments),
        Verb::GpuGroups(arguments) => gpu::groups(&arguments),
        Verb::GpuAccess => {
            gpu::grant();
            Ok(())
        }
        Verb::Proxmox(arguments) => proxmox::run(&arguments),
        Verb::Reload(arguments) => ask(reload::run(bus, arguments)),
        Verb::Config(arguments) => config::run(&arguments),
        Verb::Demo(arguments) => demo::run(arguments),
        Verb::Daemon(arguments) => daemon::run(bus, arguments),
        Verb::Generate { what } => Ok(generate::run(Arguments::command(), &what)?),
        Verb::Worker { role } => {
            privileges::drop_all()?;
            match role {
                Role::Encoder => process::encoder::run()?,
                Role::Browser { directory } => process::browser::run(directory)?,
            }
            Ok(())
        }
    }
}

/// For what runs a daemon or searches the network.
fn runtime() -> Result<Runtime, Failure> {
    give_back_what_is_large();
    // Little is computed in the daemon; two threads keep a slow request from delaying a segment.
    Ok(Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Waits for what asks the service, which is all that happens meanwhile.
fn ask<T>(question: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    Builder::new_current_thread().enable_all().build()?.block_on(question)
}

/// Words go to stderr, or where that is the journal, to the journal; results to stdout.
fn start_log(verb: &Verb) {
    let usual = match verb {
        // Who asks for TVs is told which there are in the answer.
        Verb::Devices(arguments) if arguments.searches() => "warn",
        Verb::Config(_)
        | Verb::Daemon(_)
        | Verb::Demo(_)
        | Verb::GpuAccess
        | Verb::Worker { .. } => "warn,dashboard_cast=info",
        // What the library of the bus warns about ends as an error, which is said.
        _ => "error",
    };
    let filter =
        EnvFilter::try_from_env("DASHBOARD_CAST_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    let layer = match Journal::where_connected() {
        Some(journal) => journal.boxed(),
        None => tracing_subscriber::fmt::layer()
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).init();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn workers_are_not_for_people() {
        let help = Arguments::command().render_long_help().to_string();
        assert!(help.contains("demo") && !help.contains("worker"), "{help}");
    }
}
