//! The core's side of a link, as the tests play it.

use std::time::Duration;

use dashboard_cast::{
    cast::google::{self, ConnectError, Connection, Lost, Timing},
    session::tv::{AppView, Load, MediaView, PlayerState, ReceiverView, TvCommand, TvEvent},
};
use tokio::time::timeout;

use crate::scripted::ScriptedTv;

/// For what is to happen. Nothing is gained when it is short.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const URL: &str = "http://127.0.0.1:8000/m/token/master.m3u8";

/// The real times, but for what a test would have to sit through.
pub(crate) fn timing() -> Timing {
    Timing {
        ping: Duration::from_millis(100),
        poll: Duration::from_millis(100),
        ..Timing::default()
    }
}

pub(crate) fn load() -> Load {
    Load {
        url: URL.parse().expect("an address"),
        state_segment_format: true,
        title: "Board".to_owned(),
    }
}

pub(crate) struct Core {
    pub(crate) connection: Connection,
}

impl Core {
    pub(crate) async fn connect(tv: &ScriptedTv) -> Self {
        Self::try_connect(tv, timing()).await.expect("a connection")
    }

    pub(crate) async fn try_connect(tv: &ScriptedTv, timing: Timing) -> Result<Self, ConnectError> {
        let connection = google::connect(tv.address(), timing).await?;
        Ok(Self { connection })
    }

    /// Our stream plays on the TV, and all events until then have been read.
    pub(crate) async fn playing(tv: &ScriptedTv) -> Self {
        let mut core = Self::connect(tv).await;
        core.launch().await;
        core.tell(TvCommand::Load(load())).await;
        core.media("our stream", |media| media.state == PlayerState::Playing).await;
        core
    }

    pub(crate) async fn launch(&mut self) -> ReceiverView {
        self.tell(TvCommand::Launch).await;
        self.receiver("the player", |view| app(view).is_some_and(|app| app.is_player)).await
    }

    pub(crate) async fn tell(&self, command: TvCommand) {
        self.connection.link.to_worker.send(command).await.expect("a link");
    }

    /// The next event; `None` when the link has closed.
    pub(crate) async fn next(&mut self) -> Option<TvEvent> {
        let next = timeout(PATIENCE, self.connection.link.from_worker.recv()).await;
        next.expect("an event")
    }

    /// Reads until there is one of which `pick` makes something.
    pub(crate) async fn until<T>(&mut self, what: &str, pick: impl Fn(TvEvent) -> Option<T>) -> T {
        let wait = async {
            while let Some(event) = self.connection.link.from_worker.recv().await {
                if let Some(picked) = pick(event) {
                    return picked;
                }
            }
            panic!("the link closed before {what}");
        };
        match timeout(PATIENCE, wait).await {
            Ok(picked) => picked,
            Err(_) => panic!("no {what} in {PATIENCE:?}"),
        }
    }

    pub(crate) async fn receiver(
        &mut self,
        what: &str,
        is: impl Fn(&ReceiverView) -> bool,
    ) -> ReceiverView {
        self.until(what, |event| match event {
            TvEvent::Receiver(view) if is(&view) => Some(view),
            _ => None,
        })
        .await
    }

    pub(crate) async fn media(&mut self, what: &str, is: impl Fn(&MediaView) -> bool) -> MediaView {
        self.until(what, |event| match event {
            TvEvent::Media(Some(view)) if is(&view) => Some(view),
            _ => None,
        })
        .await
    }

    pub(crate) async fn launch_failure(&mut self) -> String {
        self.until("failed launch", |event| match event {
            TvEvent::LaunchFailed(why) => Some(why),
            _ => None,
        })
        .await
    }

    pub(crate) async fn load_failure(&mut self) -> String {
        self.until("failed load", |event| match event {
            TvEvent::LoadFailed(why) => Some(why),
            _ => None,
        })
        .await
    }

    /// Reads until the link closes, and says why it did.
    pub(crate) async fn lost(self) -> Lost {
        self.end().await.expect_err("closed by us")
    }

    /// Closes the link and waits until nothing is left of it.
    pub(crate) async fn close(self) {
        let Connection { link, end, .. } = self.connection;
        drop(link.to_worker);
        let ended = timeout(PATIENCE, end).await.expect("an end").expect("no panic");
        ended.expect("an end that we made");
    }

    async fn end(mut self) -> Result<(), Lost> {
        let wait = async { while self.connection.link.from_worker.recv().await.is_some() {} };
        timeout(PATIENCE, wait).await.expect("the link to close");
        self.connection.end.await.expect("no panic")
    }
}

pub(crate) const fn app(view: &ReceiverView) -> Option<&AppView> {
    view.app.as_ref()
}

/// Waits for something that the TV has no word for.
pub(crate) async fn wait_for(what: &str, mut is: impl FnMut() -> bool) {
    let wait = async {
        while !is() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(timeout(PATIENCE, wait).await.is_ok(), "no {what} in {PATIENCE:?}");
}
