use crate::session::ports::*;
use tokio::sync::mpsc;
#[derive(Debug)]
pub struct BrowserOptions {
    pub directory: std::path::PathBuf,
    pub program: Option<std::path::PathBuf>,
    pub load_timeout: std::time::Duration,
}
pub async fn run(
    _: BrowserOptions,
    _: mpsc::Receiver<BrowserCommand>,
    _: mpsc::Sender<BrowserEvent>,
) -> Result<(), std::fmt::Error> {
    Ok(())
}
