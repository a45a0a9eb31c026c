//! Looks after the TVs of the configuration: where they are, and whether they are there.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use jiff::Timestamp;
use tokio::{
    net::{TcpStream, lookup_host},
    time::{MissedTickBehavior, interval, timeout},
};
use url::Host;

use super::devices::Devices;
use crate::config::StaticDevice;

/// An address may change and a TV may be switched on; a minute later is soon enough for a list that
/// people look at.
const EVERY: Duration = Duration::from_secs(60);
/// Of one host name; further ones are left out.
const MOST_ADDRESSES: usize = 16;
/// For the name service.
const LOOK_UP: Duration = Duration::from_secs(5);
/// For a TV on the local network to take a connection; Wi-Fi can be slow to wake.
const CONNECT: Duration = Duration::from_secs(3);

/// Does not come back.
pub(super) async fn follow(devices: Arc<Devices>) {
    let mut configured = devices.discover();
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // The sender lives as long as `devices`, which is held here.
            Ok(()) = configured.changed() => ticks.reset(),
        }
        let entries: Vec<StaticDevice> = devices.list().fixed().cloned().collect();
        join_all(entries.iter().map(|entry| look_after(&devices, entry))).await;
    }
}

async fn look_after(devices: &Devices, entry: &StaticDevice) {
    let located = match locate(entry).await {
        Ok(addresses) => {
            devices.list().locate(entry, addresses.clone());
            devices.tell();
            Ok(addresses)
        }
        Err(problem) => Err(problem),
    };
    // What announces itself is there.
    if devices.list().is_announced(entry) {
        return;
    }
    let outcome = match located {
        Ok(addresses) => reach(&addresses).await,
        Err(problem) => Err(problem),
    };
    let news = devices.list().tried(entry, outcome.clone(), Timestamp::now());
    devices.tell();
    match outcome {
        Ok(()) if news => tracing::info!(tv = %entry, "the configured TV is there"),
        Err(problem) if news => {
            tracing::warn!(tv = %entry, "the configured TV is not there, looking again: {problem}");
        }
        _ => {}
    }
}

async fn locate(entry: &StaticDevice) -> Result<Vec<SocketAddr>, String> {
    let name = match &entry.host {
        Host::Ipv4(address) => return Ok(vec![SocketAddr::from((*address, entry.port))]),
        Host::Ipv6(address) => return Ok(vec![SocketAddr::from((*address, entry.port))]),
        Host::Domain(name) => name,
    };
    let found = timeout(LOOK_UP, lookup_host((name.as_str(), entry.port))).await;
    match found {
        Ok(Ok(addresses)) => {
            let mut addresses: Vec<SocketAddr> = addresses.take(MOST_ADDRESSES).collect();
            addresses.sort_unstable();
            addresses.dedup();
            Ok(addresses)
        }
        Ok(Err(error)) => Err(format!("looking up {name}: {error}")),
        Err(_) => Err(format!("looking up {name}: no answer in {} s", LOOK_UP.as_secs())),
    }
}

/// Opens a connection and closes it. The reason why none could be opened is that of the first
/// address, which is the best one.
async fn reach(addresses: &[SocketAddr]) -> Result<(), String> {
    let mut reason = None;
    for address in addresses {
        let refusal = match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => return Ok(()),
            Ok(Err(error)) => format!("connecting to {address}: {error}"),
            Err(_) => format!("connecting to {address}: no answer in {} s", CONNECT.as_secs()),
        };
        reason.get_or_insert(refusal);
    }
    Err(reason.unwrap_or_else(|| "its host name has no address".to_owned()))
}
