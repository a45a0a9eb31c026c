//! Who has the screen, from what the TV said last.

use url::Url;

use crate::session::tv::{MediaView, PlayerState, ReceiverView};

/// The screen of a TV.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Screen {
    /// The TV has not said everything yet.
    Unknown,
    /// Nothing runs, or the idle screen does.
    Free,
    /// The player, with nothing in it that still plays.
    Empty,
    /// The player, with our stream in it: playing, paused or ended.
    Ours(MediaView),
    /// The player, with another stream of this daemon.
    Kin,
    Taken(Taken),
}

/// Somebody else's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    /// For people.
    pub(super) by: String,
    /// The run of the app.
    pub(super) run: String,
    /// Whether it is the player, which can be loaded over.
    pub(super) in_player: bool,
    pub(super) content: Option<String>,
}

impl Screen {
    /// `media` is `None` until the player has said something in this run of it; `ours` is our
    /// stream's address.
    pub(super) fn of(
        receiver: Option<&ReceiverView>,
        media: Option<&Option<MediaView>>,
        ours: &Url,
    ) -> Self {
        let Some(receiver) = receiver else {
            return Self::Unknown;
        };
        let app = match &receiver.app {
            Some(app) if !app.is_idle_screen => app,
            _ => return Self::Free,
        };
        let taken = |by: &str, in_player, content| {
            Self::Taken(Taken { by: by.to_owned(), run: app.session.clone(), in_player, content })
        };
        if !app.is_player {
            return taken(&app.name, false, None);
        }
        let media = match media {
            None => return Self::Unknown,
            Some(None) => return Self::Empty,
            Some(Some(media)) => media,
        };
        match whose(media.content.as_deref(), ours) {
            Whose::Ours => Self::Ours(media.clone()),
            _ if matches!(media.state, PlayerState::Idle(_)) => Self::Empty,
            Whose::Kin => Self::Kin,
            Whose::Foreign => taken("another sender's media", true, media.content.clone()),
        }
    }

    /// Nobody watches anything.
    pub(super) fn is_idle(&self) -> bool {
        match self {
            Self::Free | Self::Empty => true,
            Self::Ours(media) => matches!(media.state, PlayerState::Idle(_)),
            Self::Unknown | Self::Kin | Self::Taken(_) => false,
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Whose {
    Ours,
    Kin,
    Foreign,
}

/// Our own address may have changed since the TV was told to play; the path, which cannot be guessed,
/// has not. What comes from our own server was put there by us.
fn whose(content: Option<&str>, ours: &Url) -> Whose {
    match content.map(Url::parse) {
        Some(Ok(content)) if content.path() == ours.path() => Whose::Ours,
        Some(Ok(content)) if content.origin() == ours.origin() => Whose::Kin,
        _ => Whose::Foreign,
    }
}

/// Whether this is our stream.
pub(super) fn is_ours(media: &MediaView, ours: &Url) -> bool {
    whose(media.content.as_deref(), ours) == Whose::Ours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_stream_is_known_by_its_path_wherever_we_moved() {
        let ours = Url::parse("http://10.0.0.9:8000/media/t0ken/master.m3u8").unwrap();
        let whose = |content| whose(content, &ours);
        assert_eq!(whose(Some("http://10.0.0.9:8000/media/t0ken/master.m3u8")), Whose::Ours);
        assert_eq!(whose(Some("http://10.0.0.7:8000/media/t0ken/master.m3u8")), Whose::Ours);
        assert_eq!(whose(Some("http://10.0.0.9:8000/media/before/master.m3u8")), Whose::Kin);
        assert_eq!(whose(Some("http://10.0.0.9:8001/media/before/master.m3u8")), Whose::Foreign);
        assert_eq!(whose(Some("tagesschau")), Whose::Foreign);
        assert_eq!(whose(None), Whose::Foreign);
    }
}
