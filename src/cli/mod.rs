//! The command line: what may be typed, and what becomes of it.

pub mod config;
mod demo;
mod devices;
mod exit;

use std::{
    io::IsTerminal,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, Subcommand, value_parser};
use tracing_subscriber::EnvFilter;

use self::exit::Failure;
use crate::{
    config::{Config, Source, locate, read_files},
    daemon::{Daemon, state_directory},
    process,
    render::browser::BrowserOptions,
    session::Quality,
};

/// Keeps web dashboards on TVs: renders the page, encodes it, streams it.
#[derive(Debug, Parser)]
#[command(name = "dashboard-cast", version, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Runs the service in the foreground.
    Daemon {
        /// Reads this file instead of those in /etc, /run and /usr/lib; may be given again.
        #[arg(long, value_name = "FILE")]
        config: Vec<PathBuf>,
        /// Listens here instead of where the configuration says.
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<SocketAddr>,
    },
    /// Shows a page, or a built-in sample dashboard, as a stream to look at in a browser.
    Demo {
        /// The page to show.
        url: Option<String>,
        /// Shows it on this TV as well, given by its name, UUID or address.
        #[arg(long, value_name = "TV")]
        device: Option<String>,
        /// Where it can be watched; by default port 8000 of this machine, with a TV of all its
        /// networks.
        #[arg(long, value_name = "ADDRESS:PORT")]
        listen: Option<SocketAddr>,
        /// 1080p, 720p or low-latency; by default the best that the TV is for.
        #[arg(long, value_parser = quality)]
        quality: Option<Quality>,
    },
    /// Lists the TVs of the network and of the configuration.
    Devices {
        /// Prints JSON, as `GET /devices` answers.
        #[arg(long)]
        json: bool,
        /// How long to look, up to 60 s.
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u64).range(1..=60))]
        seconds: u64,
        /// Reads this file instead of those in /etc, /run and /usr/lib; may be given again.
        #[arg(long, value_name = "FILE")]
        config: Vec<PathBuf>,
    },
    /// Checks or shows the configuration.
    Config {
        #[command(subcommand)]
        what: About,
        /// Reads this file instead of those in /etc, /run and /usr/lib; may be given again.
        #[arg(long, value_name = "FILE", global = true)]
        config: Vec<PathBuf>,
    },
    /// Runs one part of a session; started by the daemon.
    #[command(hide = true)]
    Worker {
        #[command(subcommand)]
        role: Role,
    },
}

#[derive(Debug, Subcommand)]
enum About {
    /// Says which files are read and what is wrong in them.
    Check,
    /// Prints what holds, each value with its origin.
    Show,
}

#[derive(Debug, Subcommand)]
enum Role {
    Encoder,
    Browser {
        #[arg(long)]
        directory: PathBuf,
        #[arg(long)]
        program: Option<PathBuf>,
        #[arg(long)]
        load_timeout_ms: u64,
    },
}

/// Runs the program as it was called.
pub fn run() -> ExitCode {
    let Arguments { verb } = Arguments::parse();
    start_log(&verb);
    let outcome = match verb {
        Verb::Daemon { config, listen } => daemon(&config, listen),
        Verb::Demo { url, device, listen, quality } => demo::run(url, device, listen, quality),
        Verb::Devices { json, seconds, config } => load_config(&config)
            .and_then(|config| devices::run(&config.devices, Duration::from_secs(seconds), json)),
        Verb::Config { what, config } => configuration(&what, &config),
        Verb::Worker { role: Role::Encoder } => process::encoder::run().map_err(Failure::from),
        Verb::Worker { role: Role::Browser { directory, program, load_timeout_ms } } => {
            let load_timeout = Duration::from_millis(load_timeout_ms);
            process::browser::run(BrowserOptions { directory, program, load_timeout })
                .map_err(Failure::from)
        }
    };
    exit::report(outcome)
}

fn daemon(files: &[PathBuf], listen: Option<SocketAddr>) -> Result<(), Failure> {
    let source = Source { files: files.to_vec(), listen };
    let settings = source.read()?;
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    runtime()?.block_on(async {
        let daemon = Daemon::prepare(settings, Some(source), state_directory()).await?;
        tracing::info!(address = %daemon.address()?, "ready");
        daemon.run().await?;
        Ok(())
    })
}

fn load_config(files: &[PathBuf]) -> Result<Config, Failure> {
    let fragments = if files.is_empty() { locate(Path::new("/"))? } else { read_files(files)? };
    let loaded = Config::load(&fragments)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    Ok(loaded.config)
}

fn configuration(what: &About, files: &[PathBuf]) -> Result<(), Failure> {
    let (root, mut out) = (Path::new("/"), std::io::stdout());
    let usable = match what {
        About::Check => config::check(root, files, &mut out)?,
        About::Show => config::show(root, files, &mut out)?,
    };
    if usable { Ok(()) } else { Err(Failure::said()) }
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    // Little is computed in the daemon; two threads keep a slow request from delaying a segment.
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

fn quality(name: &str) -> Result<Quality, String> {
    Quality::ALL
        .into_iter()
        .find(|quality| quality.name() == name)
        .ok_or_else(|| format!("there are {}", Quality::ALL.map(Quality::name).join(", ")))
}

/// Words go to stderr, results to stdout.
fn start_log(verb: &Verb) {
    // Who asks for TVs is told which there are in the answer.
    let usual = match verb {
        Verb::Devices { .. } => "warn",
        _ => "warn,dashboard_cast=info",
    };
    let filter =
        EnvFilter::try_from_env("DASHBOARD_CAST_LOG").unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

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
