//! `dashboard-cast devices`: which TVs there are, as the service knows them or as they are seen from
//! here and now.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::{Args, ValueHint, value_parser};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::{
    ask, config,
    exit::Failure,
    runtime,
    screen::{Screen, Style, print, print_json, say},
    service::{Device, Service},
    table::{Cell, Column, Row, Table},
};
use crate::{
    cast::{Devices, Discovery, can_search},
    config::Devices as Settings,
    dbus::Bus,
};

/// TVs answer within a second or two; most of them.
const FIRST_ANSWERS: Duration = Duration::from_secs(3);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Looks for them from here and now, without the service.
    #[arg(long)]
    search: bool,
    /// Prints JSON, as `GET /devices` answers.
    #[arg(long)]
    json: bool,
    /// With --search: how long to look, up to 60 s.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "search", value_parser = value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// With --search: reads this file instead of those in /etc, /run and /usr/lib; may be given again.
    #[arg(long, value_name = "FILE", requires = "search", value_hint = ValueHint::FilePath)]
    config: Vec<PathBuf>,
}

impl Arguments {
    pub(super) const fn searches(&self) -> bool {
        self.search
    }
}

pub(super) fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    if arguments.search {
        let loaded = config::load(Path::new("/"), &arguments.config)?;
        for warning in &loaded.warnings {
            tracing::warn!("{warning}");
        }
        let time = Duration::from_secs(arguments.seconds);
        return search(loaded.config.devices, time, arguments.json);
    }
    let devices = ask(known(bus))?;
    if arguments.json {
        return print_json(&json!({ "devices": devices }));
    }
    if devices.is_empty() {
        say("The service knows of no TV. Look from here: dashboard-cast devices --search");
    }
    print(&table(&devices).text(Screen::of(&std::io::stdout())))
}

/// The TVs that the service knows; one that has just started hears of the first ones in a moment.
async fn known(bus: Bus) -> Result<Vec<Device>, Failure> {
    let service = Service::connect(bus).await?;
    // Before the question, so that nothing is missed.
    let changes = service.changes().await?;
    let end = Instant::now() + FIRST_ANSWERS;
    loop {
        let devices = service.objects().await?.devices;
        if !devices.is_empty() || timeout_at(end, changes.next()).await.is_err() {
            return Ok(devices);
        }
    }
}

/// Looks for `time` and prints what was found.
fn search(settings: Settings, time: Duration, json: bool) -> Result<(), Failure> {
    if let Err(error) = can_search()
        && settings.fixed.is_empty()
    {
        return Err(error.into());
    }
    // Who asks wants them found, whatever the daemon is to do.
    let settings = Settings { discover: true, ..settings };
    let devices = Arc::new(Devices::new(&settings));
    runtime()?.block_on(async {
        let discovery = Discovery::start(&devices);
        tokio::time::sleep(time).await;
        discovery.stop().await;
    });
    let found = devices.snapshot();
    if json {
        print_json(&json!({ "devices": found }))?;
    } else {
        let found: Vec<Device> = found.iter().map(Device::from).collect();
        print(&table(&found).text(Screen::of(&std::io::stdout())))?;
    }
    if found.is_empty() {
        say(&format!(
            "No TV has announced itself within {} s. Is it switched on, and in the same network as \
             this machine? Announcements do not pass from one VLAN or Wi-Fi guest network to \
             another; a TV there belongs into devices.static of the configuration, with its \
             address.",
            time.as_secs()
        ));
    }
    Ok(())
}

/// Names and models can be guessed from their beginning, addresses and UUIDs cannot.
const COLUMNS: [Column; 4] = [
    Column::shrinking("NAME"),
    Column::shrinking("MODEL"),
    Column::whole("ADDRESS"),
    Column::whole("UUID"),
];

/// Devices for people; what is to be said of one is on a line below it.
fn table(devices: &[Device]) -> Table<4> {
    let rows = devices.iter().map(|device| {
        let standby = device.power.as_deref() == Some("standby");
        let standby = standby.then(|| Cell::new("in standby", Style::Faint));
        let problem = device.problem.iter().map(|problem| Cell::new(problem, Style::Bad));
        let mark = if device.default { " (default)" } else { "" };
        Row {
            cells: [
                format!("{}{mark}", device.name).into(),
                device.model.clone().into(),
                device.addresses.first().cloned().into(),
                device.uuid.clone().into(),
            ],
            notes: standby.into_iter().chain(problem).collect(),
        }
    });
    Table { columns: COLUMNS, rows: rows.collect() }
}

#[cfg(test)]
mod tests {
    use unicode_width::UnicodeWidthStr;

    use super::*;
    use crate::{
        cast::{self, Found, Power},
        ids::DeviceId,
    };

    fn device(name: &str, model: &str, problem: Option<&str>) -> Device {
        let id = DeviceId::new("0123456789abcdef0123456789abcdef");
        Device::from(&cast::Device {
            id: id.clone(),
            uuid: problem.is_none().then_some(id),
            name: name.to_owned(),
            model: problem.is_none().then(|| model.to_owned()),
            addresses: vec!["192.168.100.200:8009".parse().unwrap()],
            port: 8009,
            found: Found::Announced,
            last_seen: None,
            status: None,
            power: (name == "Living room").then_some(Power::Standby),
            problem: problem.map(str::to_owned),
            default: name == "Living room",
        })
    }

    fn screen(width: usize) -> Screen {
        Screen { width: Some(width), ..Screen::default() }
    }

    #[test]
    fn a_table_is_as_wide_as_it_needs_to_be() {
        let devices = [
            device("Living room", "Chromecast", None),
            device("kitchen", "", Some("connecting to 10.0.0.1:8009: refused")),
        ];
        let expected = "\
NAME                   MODEL       ADDRESS          UUID
Living room (default)  Chromecast  192.168.100.200  0123456789abcdef0123456789abcdef
  in standby
kitchen                -           192.168.100.200  -
  connecting to 10.0.0.1:8009: refused
";
        assert_eq!(table(&devices).text(Screen::default()), expected);
    }

    #[test]
    fn on_a_terminal_of_80_columns_names_are_cut_and_addresses_are_whole() {
        let devices = [
            device("客厅里的大电视机和音响系统设备", "Chromecast with Google TV", None),
            device("Hall", "BRAVIA 4K VH2", None),
        ];
        let table = table(&devices).text(screen(80));
        for line in table.lines() {
            assert!(line.width() <= 80, "{line}");
        }
        for line in table.lines().skip(1) {
            assert!(line.ends_with("192.168.100.200  0123456789abcdef0123456789abcdef"), "{line}");
        }
        assert!(table.contains("客厅里") && table.contains('…'), "{table}");
    }

    #[test]
    fn a_terminal_that_is_too_narrow_gets_lines_that_are_too_long() {
        let devices = [device("Living room upstairs", "Chromecast Ultra", None)];
        let table = table(&devices).text(screen(10));
        assert!(table.contains("Living …  Chromec…  192.168.100.200"), "{table}");
    }

    #[test]
    fn without_devices_there_is_no_table() {
        assert_eq!(table(&[]).text(screen(80)), "");
    }
}
