//! `dashboard-cast demo`: a stream to look at, on a TV if there is one, without systemd.

use std::{
    io::{IsTerminal, Write},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueHint};

use super::{exit::Failure, runtime, sessions::rates};
use crate::{
    config::{Config, Settings, StaticDevice},
    daemon::{Daemon, Surroundings},
    media::MediaTime,
    session::{
        Quality, Registry, StartRequest,
        cast::{Finding, Verdict},
    },
};

/// As the service's.
const PORT: u16 = 8000;

/// The status line is for people; faster would only flicker.
const STATUS_EVERY: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The page to show.
    #[arg(value_hint = ValueHint::Url)]
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
}

fn quality(name: &str) -> Result<Quality, String> {
    Quality::ALL
        .into_iter()
        .find(|quality| quality.name() == name)
        .ok_or_else(|| format!("there are {}", Quality::ALL.map(Quality::name).join(", ")))
}

pub(super) fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { url, device, listen, quality } = arguments;
    let device = device.filter(|device| device != StartRequest::NO_DEVICE);
    let mut config = Config::default();
    config.http.listen = listen.unwrap_or(match device {
        // A TV fetches the stream from another machine.
        Some(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)),
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, PORT)),
    });
    config.devices.discover = device.is_some();
    // What is given by its address need not be found first.
    config.devices.fixed.extend(device.as_deref().and_then(address_of));
    runtime()?.block_on(async {
        let settings = Settings { config, ..Settings::default() };
        let daemon = Daemon::prepare(settings, Surroundings::default()).await?;
        let mut address = daemon.address()?;
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        let page = url.unwrap_or_else(|| format!("http://{address}/sample"));
        let mut request = StartRequest::new(page.clone());
        request.quality = quality;
        request.device = device;
        let session = daemon.start(request).await?;
        let (hls, fmp4) = (session.token.hls_path(), session.token.fmp4_path());
        let on = session.tv.map_or_else(String::new, |tv| format!(" on {}", tv.name));
        say(&format!(
            "Showing {page}{on}\n\n  \
             Watch in a browser   http://{address}/\n  \
             Play as HLS          http://{address}{hls}\n  \
             Play as one file     http://{address}{fmp4}\n\n\
             Stop with Ctrl-C.\n"
        ))?;
        let status = tokio::spawn(follow(daemon.registry()));
        daemon.run().await?;
        status.abort();
        Ok(())
    })
}

/// The TV at this address, if it is one.
fn address_of(device: &str) -> Option<StaticDevice> {
    let is_address = device.parse::<IpAddr>().is_ok() || device.parse::<SocketAddr>().is_ok();
    is_address.then(|| device.parse().ok())?
}

#[expect(clippy::print_stdout, reason = "where to watch is the command's result")]
fn say(text: &str) -> Result<(), Failure> {
    println!("{text}");
    std::io::stdout().flush()?;
    Ok(())
}

/// Prints what the session does while it runs: one line that is written over on a terminal.
async fn follow(registry: Arc<Registry>) {
    let mut ticks = tokio::time::interval(STATUS_EVERY);
    let mut usage = Usage::now();
    loop {
        ticks.tick().await;
        let cpu = usage.since_last();
        let Some(session) = registry.sessions().pop() else { return };
        let stream = session.stream.map_or_else(String::new, |stream| {
            let sent = stream.sent.map(|sent| (sent.frame_rate, sent.bit_rate.kbit_per_second()));
            let most = (stream.frame_rate.per_second(), stream.bit_rate.kbit_per_second());
            format!(
                "  {}  {}  {}  {} segments",
                stream.encoder,
                stream.size,
                rates(sent, most),
                stream.segments,
            )
        });
        let problem =
            session.page.problem.map_or_else(String::new, |problem| format!("  {problem}"));
        let cast = session.cast.map_or_else(String::new, |cast| {
            let Verdict { finding, why, .. } = cast.verdict;
            if finding == Finding::Confirmed {
                "  on the TV".to_owned()
            } else {
                format!("  TV {finding}: {why}")
            }
        });
        let line = format!("{}{stream}  CPU {cpu:.0} %{cast}{problem}", session.state.name);
        let mut out = std::io::stderr();
        let written =
            if out.is_terminal() { write!(out, "\r\x1b[K{line}") } else { writeln!(out, "{line}") };
        if written.and_then(|()| out.flush()).is_err() {
            return;
        }
    }
}

/// The processor time of this process and its children, as the kernel counts it.
struct Usage {
    ticks: u64,
    at: MediaTime,
}

impl Usage {
    fn now() -> Self {
        Self { ticks: tree_ticks(), at: MediaTime::now() }
    }

    /// Percent of one core since the call before.
    fn since_last(&mut self) -> f64 {
        let now = Self::now();
        let span = now.at.since(self.at).as_secs_f64();
        let used = Duration::from_millis(10 * now.ticks.saturating_sub(self.ticks)).as_secs_f64();
        *self = now;
        if span > 0.0 { 100.0 * used / span } else { 0.0 }
    }
}

/// Ticks of 1/100 s, the same on every Linux that Debian runs on, of this process and all below it.
fn tree_ticks() -> u64 {
    let mut processes = Vec::new();
    let Ok(entries) = std::fs::read_dir("/proc") else { return 0 };
    for entry in entries.flatten() {
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The command's name is in brackets and may hold anything; what follows is numbers.
        let Some((head, tail)) = stat.rsplit_once(')') else { continue };
        let fields: Vec<&str> = tail.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
        let pid = head.split_whitespace().next().and_then(|pid| pid.parse::<u64>().ok());
        if let (Some(pid), Some(parent), Some(user), Some(system)) =
            (pid, number(1), number(11), number(12))
        {
            processes.push((pid, parent, user + system));
        }
    }
    let mut family = vec![u64::from(std::process::id())];
    let mut total = 0;
    while let Some(member) = family.pop() {
        for &(pid, parent, ticks) in &processes {
            if pid == member {
                total += ticks;
            }
            if parent == member {
                family.push(pid);
            }
        }
    }
    total
}
