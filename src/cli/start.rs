//! `dashboard-cast start`: shows a page, and perhaps waits until it is where it should be.

mod auth;
mod wait;

use std::{collections::HashMap, path::PathBuf};

use clap::{Args, ValueHint, builder::PossibleValuesParser};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use zbus::{ObjectPath, Variant};

use super::{
    exit::Failure,
    screen::{print, print_json, say},
    service::{Service, ServiceError, Session},
};
use crate::{
    config::{OnBusy, TimeSpan},
    dbus::Bus,
    media::{Audio, Quality},
    session::StartRequest,
};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The page to show, such as http://host:3000/d/1.
    #[arg(value_hint = ValueHint::Url)]
    url: String,
    /// The TV, given by its name, UUID or address, or none; by default the configured one.
    #[arg(long, value_name = "TV")]
    device: Option<String>,
    /// Size and bit rate; by default what the configuration says. A TV that is for less gets less.
    #[arg(long, value_parser = PossibleValuesParser::new(Quality::ALL.map(Quality::name)))]
    quality: Option<String>,
    /// Ends by itself after this time, such as 90s or 8h; by default it stays.
    #[arg(long, value_name = "SPAN")]
    duration: Option<TimeSpan>,
    /// Which of the two addresses of the stream is printed.
    #[arg(long, value_parser = ["hls", "fmp4"])]
    mode: Option<String>,
    /// A silent track, which some TVs want, or none.
    #[arg(long, value_parser = PossibleValuesParser::new([Audio::Silent, Audio::None].map(Audio::name)))]
    audio: Option<String>,
    /// What it is for, a free name: a new session replaces the one of the same target.
    #[arg(long, value_name = "NAME")]
    target: Option<String>,
    /// Enlarges the page as a browser does, 0.25 to 5.
    #[arg(long, value_name = "FACTOR")]
    zoom: Option<f64>,
    /// Pixels of the picture to one of the page, 0.5 to 4.
    #[arg(long, value_name = "FACTOR")]
    scale: Option<f64>,
    /// The most frames in a second, up to 30 at 1080p and 60 below.
    #[arg(long, value_name = "N")]
    frame_rate: Option<u32>,
    /// What to do when the TV's screen is in use; by default yield.
    #[arg(long, value_parser = PossibleValuesParser::new(OnBusy::ALL.map(OnBusy::name)))]
    on_busy: Option<String>,
    /// Comes back after people took the TV, once its screen has been idle for this time; by default
    /// it does not, or with preempt-and-return after 60 s.
    #[arg(long, value_name = "SPAN")]
    resume_after: Option<TimeSpan>,
    /// Loudness of the TV meanwhile, 0 to 1; by default it is left alone.
    #[arg(long, value_name = "LEVEL")]
    volume: Option<f64>,
    /// Reads the page's credentials from this file, or from stdin with "-": a JSON object with cookies,
    /// localStorage, headers or basic.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    auth: Option<PathBuf>,
    /// Waits until it is live or, with a TV, until the TV shows it. Ctrl-C ends the waiting only.
    #[arg(long)]
    wait: bool,
    /// Prints JSON, as `POST /start` answers.
    #[arg(long)]
    json: bool,
}

impl Arguments {
    /// The options of the call: what was not given is the service's to choose.
    fn options(&self) -> Result<HashMap<&'static str, Variant<'static>>, Failure> {
        let text = |text: &Option<String>| text.clone().map(Variant::from);
        let seconds =
            |span: Option<TimeSpan>| span.map(|span| Variant::from(span.duration().as_secs_f64()));
        let auth = self.auth.as_deref().map(auth::read).transpose()?;
        let options = [
            ("device", text(&self.device)),
            ("quality", text(&self.quality)),
            ("duration", seconds(self.duration)),
            ("mode", text(&self.mode)),
            ("audio", text(&self.audio)),
            ("target", text(&self.target)),
            ("zoom", self.zoom.map(Variant::from)),
            ("scale", self.scale.map(Variant::from)),
            ("frame-rate", self.frame_rate.map(Variant::from)),
            ("on-busy", text(&self.on_busy)),
            ("resume-after", seconds(self.resume_after)),
            ("volume", self.volume.map(Variant::from)),
            ("auth", auth),
        ];
        Ok(options.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }
}

pub(super) async fn run(bus: Bus, arguments: Arguments) -> Result<(), Failure> {
    let options = arguments.options()?;
    let service = Service::connect(bus).await?;
    // Before the start, so that nothing is missed.
    let changes = service.changes().await?;
    let path = service.start(&arguments.url, options).await?;
    let session = find(&service, &path).await?;
    let media = service.media(&session).await?;
    say(&format!("Showing {}.", session.title()));
    if let Some(media) = &media {
        say(&format!("Watch it at {}", media.of_mode(&session.mode)));
    }
    if session.device.is_none() && arguments.device.as_deref() != Some(StartRequest::NO_DEVICE) {
        say(
            "It is on no TV: none was named with --device, and devices.default names none. Those that \
             there are: dashboard-cast devices",
        );
    }
    // Who sees the result may have had enough of it at once, or do something with it meanwhile.
    let interrupted = arguments.wait.then(|| signal(SignalKind::interrupt())).transpose()?;
    if arguments.json {
        let mut answer = session.view(media.as_ref());
        answer["status"] = json!("success");
        print_json(&answer)?;
    } else {
        print(&format!("{}\n", session.id))?;
    }
    match interrupted {
        Some(interrupted) => wait::until_shown(&service, &changes, interrupted, session).await,
        None => Ok(()),
    }
}

/// The session, unless another start has replaced it already.
async fn find(service: &Service, path: &ObjectPath<'_>) -> Result<Session, ServiceError> {
    let sessions = service.objects().await?.sessions;
    sessions
        .into_iter()
        .find(|session| session.path.as_str() == path.as_str())
        .ok_or(ServiceError::Ended)
}
