//! The configuration together with what it points at, read as often as somebody asks.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use thiserror::Error;

use super::{
    fragments::{locate, read_files},
    problem::{ConfigError, Warning},
    sections::Config,
    token::{ControlToken, TokenFileError, read_token},
};
use crate::systemd;

/// Where the configuration is, and what was said on the command line instead of it.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// These, in place of the search in `/etc`, `/run` and `/usr/lib`.
    pub files: Vec<PathBuf>,
    /// In place of `http.listen`.
    pub listen: Option<SocketAddr>,
}

/// What holds.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    pub config: Config,
    /// What is in `http.token-file`, or without that in the credential `token`.
    pub token: Option<ControlToken>,
    pub warnings: Vec<Warning>,
}

/// Why there are no settings.
#[derive(Debug, Error)]
pub enum SettingsError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Token(#[from] TokenFileError),
    /// Nobody could control anything.
    #[error(
        "http.loopback-needs-token is set, but http.token-file names no token and the unit loads none"
    )]
    NoToken,
}

impl Source {
    /// Reads the files, which may take its time.
    ///
    /// # Errors
    /// They cannot be read, or make no sense.
    pub fn read(&self) -> Result<Settings, SettingsError> {
        let fragments = match &*self.files {
            [] => locate(Path::new("/"))?,
            files => read_files(files)?,
        };
        let loaded = Config::load(&fragments)?;
        let (mut config, mut warnings) = (loaded.config, loaded.warnings);
        if let Some(listen) = self.listen {
            config.http.listen = listen;
        }
        // systemd hands over a file of its own, which may be empty: then there is no token.
        let given = systemd::credential("token")
            .filter(|path| path.metadata().is_ok_and(|metadata| metadata.len() > 0));
        let file = config.http.token_file.clone().or(given);
        let token = match file.as_deref().map(read_token).transpose()? {
            Some((token, warning)) => {
                warnings.extend(warning);
                Some(token)
            }
            None if config.http.loopback_needs_token => return Err(SettingsError::NoToken),
            None => None,
        };
        Ok(Settings { config, token, warnings })
    }
}
