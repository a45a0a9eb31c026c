use std::{
    collections::{BTreeMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use super::{
    casts::Cast,
    devices::StaticDevice,
    gpu::GpuChoice,
    pages::{AllowedPage, HttpsOrigin},
    reader::Reader,
    value::{ByteSize, TimeSpan},
};
use crate::{
    media::{Audio, Quality},
    units::FrameRate,
};

/// Everything that can be configured. `Config::default()` is what holds without any file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    pub http: Http,
    pub sessions: Sessions,
    pub pages: Pages,
    pub stream: Stream,
    pub browser: Browser,
    pub encoder: Encoder,
    pub devices: Devices,
    pub service: Service,
    /// `[casts.NAME]`: what can be started by its name.
    pub casts: BTreeMap<String, Cast>,
}

/// `[http]`: the server for control and media.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Http {
    /// Where to listen. Default: `127.0.0.1:8000`, this machine only.
    pub listen: SocketAddr,
    /// The file with the bearer token for the control API, see [`super::read_token`]. Default: none,
    /// so that only programs on this machine may control.
    pub token_file: Option<PathBuf>,
    /// Whether programs on this machine have to send the token too. Default: no.
    pub loopback_needs_token: bool,
}

/// `[sessions]`: how many, and what a request gets that does not say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sessions {
    /// Pages at a time, 1 to 32; each costs a browser. Default: 4.
    pub most: usize,
    /// Size and bit rate. Default: `1080p`.
    pub quality: Quality,
    /// Sound. Default: `silent`.
    pub audio: Audio,
    /// The most frames in a second, up to 30 at `1080p` and up to 60 below. Default: 30.
    pub frame_rate: FrameRate,
}

/// `[pages]`: which pages may be opened, see [`super::PagePolicy`], and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pages {
    /// When there are any, only these may be opened. Default: none, so all web pages.
    pub allow: Vec<AllowedPage>,
    /// Whether link-local and cloud metadata addresses may be opened. Default: no.
    pub allow_link_local: bool,
    /// Origins, as browsers write them, whose broken certificate is accepted. Default: none.
    pub accept_certificates_of: Vec<String>,
    /// How long a page may take to load, 1 s to 5 min. Default: 30 s.
    pub timeout: Duration,
}

/// `[stream]`: what is kept for players.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream {
    /// How much of a stream can be fetched, 10 s to 10 min. Default: 1 min.
    pub window: Duration,
    /// The most bytes for one stream's segments, 8 MiB to 1 GiB; it may shorten the window.
    /// Default: 64 MiB. See [`Config::stream_memory`].
    pub memory: usize,
}

/// `[browser]`: what draws the pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Browser {
    /// Chromium's program. Default: none, it is searched for.
    pub program: Option<PathBuf>,
}

/// `[encoder]`: what encodes the pictures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoder {
    /// Which GPU. Default: the best that works.
    pub gpu: GpuChoice,
}

/// `[devices]`: the TVs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Devices {
    /// Whether TVs that announce themselves are looked for. Default: yes.
    pub discover: bool,
    /// TVs at known addresses, up to 64, each only once. Default: none.
    pub fixed: Vec<StaticDevice>,
    /// The TV that is meant when none is named: its name, UUID or address. Default: none.
    pub default: Option<String>,
}

/// `[service]`: when systemd listens for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// After how long without sessions and without anybody who asks for something it ends, until
    /// systemd starts it for the next one; up to 1 day. Default: 5 min. `None`: it stays.
    pub idle_exit: Option<Duration>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8000)),
            token_file: None,
            loopback_needs_token: false,
        }
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            most: 4,
            quality: Quality::default(),
            audio: Audio::default(),
            frame_rate: FrameRate::DEFAULT,
        }
    }
}

impl Default for Pages {
    fn default() -> Self {
        Self {
            allow: Vec::new(),
            allow_link_local: false,
            accept_certificates_of: Vec::new(),
            timeout: Duration::from_secs(30),
        }
    }
}

impl Default for Stream {
    fn default() -> Self {
        Self { window: Duration::from_secs(60), memory: 64 << 20 }
    }
}

impl Default for Devices {
    fn default() -> Self {
        Self { discover: true, fixed: Vec::new(), default: None }
    }
}

impl Default for Service {
    fn default() -> Self {
        Self { idle_exit: Some(Duration::from_secs(5 * 60)) }
    }
}

/// The most bytes for the segments of all streams, which leaves some of what the unit gives the service
/// (`MemoryHigh=`) for everything else.
const ALL_STREAMS: usize = 320 << 20;

impl Config {
    /// The most bytes for one stream's segments: what is configured, or its share where as many streams as
    /// there may be would take more than the service gets.
    pub fn stream_memory(&self) -> usize {
        self.stream.memory.min(ALL_STREAMS / self.sessions.most.max(1))
    }

    /// Names every key once: what is not asked for here is unknown.
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let config = Self {
            http: Http::read(reader),
            sessions: Sessions::read(reader),
            pages: Pages::read(reader),
            stream: Stream::read(reader),
            browser: Browser::read(reader),
            encoder: Encoder::read(reader),
            devices: Devices::read(reader),
            service: Service::read(reader),
            casts: casts(reader),
        };
        let Sessions { quality, frame_rate, .. } = config.sessions;
        let highest = quality.highest_frame_rate();
        if frame_rate > highest {
            let message = format!(
                "sessions.frame-rate is {} but sessions.quality {quality} ends at {}; change one of them",
                frame_rate.per_second(),
                highest.per_second()
            );
            reader.conflict(("sessions", "frame-rate"), message);
        }
        config
    }
}

fn casts(reader: &mut Reader<'_>) -> BTreeMap<String, Cast> {
    let found = reader.casts();
    let casts = found.into_iter().filter_map(|(name, place)| {
        let cast = Cast::read(reader, &name, place)?;
        Some((name, cast))
    });
    casts.collect()
}

impl Http {
    fn read(reader: &mut Reader<'_>) -> Self {
        let (mut section, default) = (reader.section("http"), Self::default());
        Self {
            listen: section.value("listen", default.listen),
            token_file: section.path("token-file", default.token_file),
            loopback_needs_token: section
                .value("loopback-needs-token", default.loopback_needs_token),
        }
    }
}

impl Sessions {
    fn read(reader: &mut Reader<'_>) -> Self {
        let (mut section, default) = (reader.section("sessions"), Self::default());
        Self {
            most: section.within("most", default.most, 1..=32),
            quality: section.value("quality", default.quality),
            audio: section.value("audio", default.audio),
            frame_rate: section.value("frame-rate", default.frame_rate),
        }
    }
}

impl Pages {
    fn read(reader: &mut Reader<'_>) -> Self {
        let (mut section, default) = (reader.section("pages"), Self::default());
        let load_times = TimeSpan::from_secs(1)..=TimeSpan::from_secs(5 * 60);
        Self {
            allow: section.list("allow", default.allow),
            allow_link_local: section.value("allow-link-local", default.allow_link_local),
            accept_certificates_of: section
                .list::<HttpsOrigin>("accept-certificates-of", Vec::new())
                .into_iter()
                .map(String::from)
                .collect(),
            timeout: section.within("timeout", default.timeout.into(), load_times).duration(),
        }
    }
}

impl Stream {
    fn read(reader: &mut Reader<'_>) -> Self {
        let (mut section, default) = (reader.section("stream"), Self::default());
        let windows = TimeSpan::from_secs(10)..=TimeSpan::from_secs(10 * 60);
        let sizes = ByteSize::from_mib(8)..=ByteSize::from_mib(1024);
        Self {
            window: section.within("window", default.window.into(), windows).duration(),
            memory: section.within("memory", ByteSize::from_bytes(default.memory), sizes).bytes(),
        }
    }
}

impl Browser {
    fn read(reader: &mut Reader<'_>) -> Self {
        let (mut section, default) = (reader.section("browser"), Self::default());
        Self { program: section.path("program", default.program) }
    }
}

impl Encoder {
    fn read(reader: &mut Reader<'_>) -> Self {
        let (mut section, default) = (reader.section("encoder"), Self::default());
        Self { gpu: section.value("gpu", default.gpu) }
    }
}

impl Service {
    fn read(reader: &mut Reader<'_>) -> Self {
        let (mut section, default) = (reader.section("service"), Self::default());
        let times = TimeSpan::from_secs(0)..=TimeSpan::from_secs(24 * 60 * 60);
        let usual = default.idle_exit.unwrap_or_default();
        let idle_exit = section.within("idle-exit", usual.into(), times).duration();
        Self { idle_exit: Some(idle_exit).filter(|time| !time.is_zero()) }
    }
}

impl Devices {
    /// Each is asked now and then whether it is there.
    const MOST_FIXED: usize = 64;

    fn read(reader: &mut Reader<'_>) -> Self {
        let (mut section, default) = (reader.section("devices"), Self::default());
        let devices = Self {
            discover: section.value("discover", default.discover),
            fixed: section.list("static", default.fixed),
            default: Some(section.value("default", String::new())).filter(|name| !name.is_empty()),
        };
        let mut addresses = HashSet::new();
        let twice = devices.fixed.iter().find(|device| !addresses.insert(device.address()));
        if let Some(device) = twice {
            let message = format!("devices.static has {} twice; remove one", device.address());
            reader.conflict(("devices", "static"), message);
        }
        if devices.fixed.len() > Self::MOST_FIXED {
            let message = format!(
                "devices.static has {} entries but may have {}; remove some",
                devices.fixed.len(),
                Self::MOST_FIXED
            );
            reader.conflict(("devices", "static"), message);
        }
        devices
    }
}
