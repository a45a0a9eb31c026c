//! `dashboard-cast health`: whether all is well.

use clap::Args;
use serde_json::{Map, Value};

use super::{
    exit::Failure,
    screen::{Screen, Style, print, print_json, wrapped},
    service::Service,
};
use crate::dbus::Bus;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Prints JSON, as `GET /health` answers.
    #[arg(long)]
    json: bool,
}

/// Prints the facts; a service that is not healthy is a failure, so that scripts can ask.
pub(super) async fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    let facts = Service::connect(bus).await?.health().await?;
    let healthy = facts.get("status").is_some_and(|status| status == "healthy");
    if arguments.json {
        print_json(&facts)?;
    } else {
        print(&text(&facts, Screen::of(&std::io::stdout())))?;
    }
    if healthy { Ok(()) } else { Err(Failure::said()) }
}

/// Columns from the beginning of a name to its value.
const NAMES: usize = 21;

/// First what is asked for, then why; what a newer service adds comes after what is known here.
fn text(facts: &Map<String, Value>, screen: Screen) -> String {
    let first = ["status", "problems"];
    let rest = facts.iter().filter(|(name, _)| !first.contains(&name.as_str()));
    let mut text = String::new();
    for (name, value) in first.iter().filter_map(|name| facts.get_key_value(*name)).chain(rest) {
        write(&mut text, name, value, 0, screen);
    }
    text
}

/// A fact a line, those of a part below its name.
fn write(text: &mut String, name: &str, value: &Value, depth: usize, screen: Screen) {
    // Names of things, such as h264_qsv, stay as they are.
    let is_thing = name.contains(|c: char| c.is_ascii_digit());
    let name = if is_thing { name.to_owned() } else { name.replace('_', " ") };
    let indent = "  ".repeat(depth);
    let width = NAMES.saturating_sub(indent.len());
    match value {
        Value::Object(part) => {
            text.push_str(&format!("{indent}{name}\n"));
            for (name, value) in part {
                write(text, name, value, depth + 1, screen);
            }
        }
        Value::Array(values) if values.is_empty() => {}
        // Each is told apart by what it begins with.
        Value::Array(values) if values.iter().all(Value::is_object) => {
            for value in values {
                write(text, &name, value, depth, screen);
            }
        }
        Value::Array(values) => {
            text.push_str(&format!("{indent}{name}\n"));
            for value in values {
                let mut hang = "  ";
                for line in wrapped(&words(value), indent.len() + 4, screen) {
                    let line = Style::Bad.paint(&line, screen);
                    text.push_str(&format!("{indent}{hang}{line}\n"));
                    hang = "    ";
                }
            }
        }
        value => {
            let words = words(value);
            let style = match words.as_str() {
                "healthy" | "available" => Style::Good,
                "degraded" => Style::Bad,
                "unavailable" => Style::Doubtful,
                _ => Style::Plain,
            };
            let words = style.paint(&words, screen);
            text.push_str(&format!("{indent}{name:width$}  {words}\n"));
        }
    }
}

fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn all_facts_are_there_also_those_of_a_newer_service() {
        let facts = json!({
            "status": "degraded", "active_streams": 2, "problems": ["TV Hall: off"],
            "hardware_acceleration": {"encoder": "libx264", "quicksync_available": false},
            "gpus": [{"node": "/dev/dri/renderD128", "encoders": {"h264_qsv": {"works": false}}}],
        });
        let expected = "\
status                 degraded
problems
  TV Hall: off
active streams         2
gpus
  encoders
    h264_qsv
      works            no
  node                 /dev/dri/renderD128
hardware acceleration
  encoder              libx264
  quicksync available  no
";
        assert_eq!(text(facts.as_object().unwrap(), Screen::default()), expected);
    }
}
