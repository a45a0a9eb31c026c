// Placeholder until the real one is merged.
use crate::session::{Audio, Quality};
use crate::units::FrameRate;
use std::{net::SocketAddr, path::PathBuf, time::Duration};

#[derive(Clone, Debug)]
pub struct PagePolicy;
impl PagePolicy {
    pub fn check(&self, _: &url::Url) -> Result<(), std::fmt::Error> {
        Ok(())
    }
}
#[derive(Clone, Debug)]
pub struct Http {
    pub listen: SocketAddr,
    pub token_file: Option<PathBuf>,
    pub loopback_needs_token: bool,
}
#[derive(Clone, Debug)]
pub struct Sessions {
    pub most: usize,
    pub quality: Quality,
    pub audio: Audio,
    pub frame_rate: FrameRate,
}
#[derive(Clone, Debug)]
pub struct Pages {
    pub accept_certificates_of: Vec<String>,
    pub timeout: Duration,
}
#[derive(Clone, Debug)]
pub struct Stream {
    pub window: Duration,
    pub memory: usize,
}
#[derive(Clone, Debug)]
pub struct Browser {
    pub program: Option<PathBuf>,
}
#[derive(Clone, Debug)]
pub struct Config {
    pub http: Http,
    pub sessions: Sessions,
    pub pages: Pages,
    pub stream: Stream,
    pub browser: Browser,
}
impl Default for Config {
    fn default() -> Self {
        Self {
            http: Http {
                listen: SocketAddr::from(([127, 0, 0, 1], 8000)),
                token_file: None,
                loopback_needs_token: false,
            },
            sessions: Sessions {
                most: 4,
                quality: Quality::Hd1080,
                audio: Audio::Silent,
                frame_rate: FrameRate::DEFAULT,
            },
            pages: Pages { accept_certificates_of: vec![], timeout: Duration::from_secs(30) },
            stream: Stream { window: Duration::from_secs(60), memory: 64 << 20 },
            browser: Browser { program: None },
        }
    }
}
