//! `dashboard-cast reload`: has the service read its configuration again.

use clap::Args;
use serde_json::json;

use super::{
    exit::Failure,
    screen::{print, print_json, say},
    service::Service,
};
use crate::dbus::Bus;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    let changes = Service::connect(bus).await?.reload().await?;
    if arguments.json {
        return print_json(&json!({"status": "success", "changes": changes}));
    }
    if changes.is_empty() {
        say("Nothing has changed.");
    }
    print(&changes.into_iter().map(|change| change + "\n").collect::<String>())
}
