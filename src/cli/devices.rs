//! `dashboard-cast devices`: which TVs there are, seen from here and now.

use std::{
    fmt,
    io::{self, Write},
    sync::Arc,
    time::Duration,
};

use rustix::termios::tcgetwinsize;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{exit::Failure, runtime};
use crate::{
    cast::{Device, Devices, Discovery, can_search},
    config,
};

/// Looks for `time` and prints what was found.
pub(super) fn run(settings: &config::Devices, time: Duration, json: bool) -> Result<(), Failure> {
    if let Err(error) = can_search()
        && settings.fixed.is_empty()
    {
        return Err(error.into());
    }
    // Who asks wants them found, whatever the daemon is to do.
    let settings = config::Devices { discover: true, ..settings.clone() };
    let devices = Arc::new(Devices::new(&settings));
    runtime()?.block_on(async {
        let discovery = Discovery::start(&devices);
        tokio::time::sleep(time).await;
        discovery.stop().await;
    });
    let found = devices.snapshot();
    let mut out = io::stdout();
    if json {
        serde_json::to_writer_pretty(&mut out, &serde_json::json!({ "devices": found }))
            .map_err(io::Error::from)?;
        writeln!(out)?;
    } else {
        let width = tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
        write!(out, "{}", Table::new(&found, width.filter(|width| *width > 0)))?;
    }
    out.flush()?;
    if found.is_empty() {
        say_where_to_look(time);
    }
    Ok(())
}

#[expect(clippy::print_stderr, reason = "it is no result")]
fn say_where_to_look(time: Duration) {
    eprintln!(
        "No TV has announced itself within {} s. Is it switched on, and in the same network as this \
         machine? Announcements do not pass from one VLAN or Wi-Fi guest network to another; a TV \
         there belongs into devices.static of the configuration, with its address.",
        time.as_secs()
    );
}

const HEADINGS: [&str; 4] = ["NAME", "MODEL", "ADDRESS", "UUID"];
/// Between two columns.
const GAP: usize = 2;
/// Columns are not made narrower, and a line may then be longer than the terminal is wide.
const NARROWEST: usize = 8;

/// Devices for people, a line each; what is wrong with one is on a line below it.
struct Table {
    rows: Vec<([String; 4], Option<String>)>,
    widths: [usize; 4],
}

impl Table {
    /// Without a width, lines are as long as they need to be.
    fn new(devices: &[Device], width: Option<usize>) -> Self {
        let rows: Vec<_> = devices
            .iter()
            .map(|device| {
                let mark = if device.default { " (default)" } else { "" };
                let cells = [
                    format!("{}{mark}", device.name),
                    device.model.clone().unwrap_or_else(|| "-".to_owned()),
                    device.hosts().next().unwrap_or_else(|| "-".to_owned()),
                    device.uuid.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
                ];
                (cells, device.problem.clone())
            })
            .collect();
        let mut widths = [0, 1, 2, 3].map(|column| {
            let cells = rows.iter().map(|(cells, _)| cells[column].width());
            cells.chain([HEADINGS[column].width()]).max().unwrap_or(0)
        });
        // Names and models can be guessed from their beginning, addresses and UUIDs cannot.
        while width.is_some_and(|width| widths.iter().sum::<usize>() + 3 * GAP > width) {
            let longer = usize::from(widths[1] > widths[0]);
            if widths[longer] <= NARROWEST {
                break;
            }
            widths[longer] -= 1;
        }
        Self { rows, widths }
    }

    fn write_line(&self, f: &mut fmt::Formatter<'_>, cells: [&str; 4]) -> fmt::Result {
        let mut line = String::new();
        for (cell, width) in cells.into_iter().zip(self.widths) {
            let cell = shortened(cell, width);
            let blank = width.saturating_sub(cell.width()) + GAP;
            line.push_str(&cell);
            line.extend(std::iter::repeat_n(' ', blank));
        }
        writeln!(f, "{}", line.trim_end())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.write_line(f, HEADINGS)?;
        for (cells, problem) in &self.rows {
            self.write_line(f, cells.each_ref().map(String::as_str))?;
            if let Some(problem) = problem {
                writeln!(f, "  {problem}")?;
            }
        }
        Ok(())
    }
}

fn shortened(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut short = String::new();
    for letter in text.chars() {
        if short.width() + letter.width().unwrap_or(0) + 1 > width {
            break;
        }
        short.push(letter);
    }
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{cast::Found, ids::DeviceId};

    fn device(name: &str, model: &str, problem: Option<&str>) -> Device {
        let id = DeviceId::new("0123456789abcdef0123456789abcdef");
        Device {
            id: id.clone(),
            uuid: problem.is_none().then_some(id),
            name: name.to_owned(),
            model: problem.is_none().then(|| model.to_owned()),
            addresses: vec!["192.168.100.200:8009".parse().unwrap()],
            port: 8009,
            found: Found::Announced,
            last_seen: None,
            status: None,
            problem: problem.map(str::to_owned),
            default: name == "Living room",
        }
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
kitchen                -           192.168.100.200  -
  connecting to 10.0.0.1:8009: refused
";
        assert_eq!(Table::new(&devices, None).to_string(), expected);
    }

    #[test]
    fn on_a_terminal_of_80_columns_names_are_cut_and_addresses_are_whole() {
        let devices = [
            device("客厅里的大电视机和音响系统设备", "Chromecast with Google TV", None),
            device("Hall", "BRAVIA 4K VH2", None),
        ];
        let table = Table::new(&devices, Some(80)).to_string();
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
        let table = Table::new(&devices, Some(10)).to_string();
        assert!(table.contains("Living …  Chromec…  192.168.100.200"), "{table}");
    }

    #[test]
    fn without_devices_there_is_no_table() {
        assert_eq!(Table::new(&[], Some(80)).to_string(), "");
    }
}
