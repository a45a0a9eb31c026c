//! Which TVs are there.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

use super::super::told::{Tv, Wanted};
use crate::{
    cast::{Device, Devices, Discovery, Found},
    config::{self, Config},
    session::StartRequest,
};

/// TVs answer within a second; some only the second time they are asked.
const LOOK: Duration = Duration::from_secs(3);
const CONNECT: Duration = Duration::from_secs(2);
/// Of one TV; who has more has them in the same network.
const MOST_ADDRESSES: usize = 4;

/// Looks for TVs, whatever the service is to do, connects to each, and says which of them the
/// configuration means.
pub async fn tvs(config: &Config) -> (Vec<Tv>, Vec<Wanted>) {
    let settings = config::Devices { discover: true, ..config.devices.clone() };
    let devices = Arc::new(Devices::new(&settings));
    let discovery = Discovery::start(&devices);
    sleep(LOOK).await;
    discovery.stop().await;
    let tvs = join_all(devices.snapshot().into_iter().map(tv)).await;
    (tvs, wanted(config, &devices))
}

async fn tv(device: Device) -> Tv {
    let reached = match device.addresses.as_slice() {
        [] => Err(device.problem.unwrap_or_else(|| "it has no address".to_owned())),
        addresses => reach(addresses).await,
    };
    Tv {
        name: device.name,
        address: device.addresses.first().map(ToString::to_string),
        configured: device.found != Found::Announced,
        reached,
    }
}

/// Opens a connection and closes it. The reason is that of the best address.
async fn reach(addresses: &[SocketAddr]) -> Result<(), String> {
    let tried = join_all(addresses.iter().take(MOST_ADDRESSES).map(|address| async move {
        match timeout(CONNECT, TcpStream::connect(address)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(format!("connecting to {address}: {error}")),
            Err(_) => Err(format!("connecting to {address}: no answer in {} s", CONNECT.as_secs())),
        }
    }));
    let tried = tried.await;
    if tried.iter().any(Result::is_ok) {
        return Ok(());
    }
    tried.into_iter().next().unwrap_or_else(|| Err("it has no address".to_owned()))
}

fn wanted(config: &Config, devices: &Devices) -> Vec<Wanted> {
    let casts = config.casts.iter().filter_map(|(name, cast)| {
        let device = cast.device.clone().filter(|device| device != StartRequest::NO_DEVICE)?;
        Some((format!("casts.{name}.device"), device))
    });
    let default = config.devices.default.clone().filter(|device| device != StartRequest::NO_DEVICE);
    let default = default.map(|device| ("devices.default".to_owned(), device));
    let look = |(key, device): (String, String)| {
        let found = devices.choose(Some(&device)).map(|tv| tv.name);
        Wanted { key, device, found: found.map_err(|error| format!("{error}. {}", error.hint())) }
    };
    default.into_iter().chain(casts).map(look).collect()
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn a_configured_tv_is_reached_or_not_and_names_are_looked_up() {
        let there = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let [port, closed] = [&there, &gone].map(|socket| socket.local_addr().unwrap().port());
        drop(gone);
        let mut config = Config::default();
        config.devices.fixed = vec![
            format!("Hall=127.0.0.1:{port}").parse().unwrap(),
            format!("Attic=127.0.0.1:{closed}").parse().unwrap(),
        ];
        config.devices.default = Some("hall".to_owned());
        let (found, wanted) = tvs(&config).await;
        let tv = |name: &str| found.iter().find(|tv| tv.name == name).unwrap();
        assert!(tv("Hall").configured && tv("Hall").reached.is_ok());
        assert!(tv("Attic").reached.as_ref().unwrap_err().contains("refused"));
        assert_eq!(wanted[0].key, "devices.default");
        assert_eq!(wanted[0].found, Ok("Hall".to_owned()));
    }
}
