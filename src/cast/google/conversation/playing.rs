//! The half of the conversation that is with the player: what it says of what it plays.

use serde_json::Value;
use tokio::time::Instant;

use super::{Conversation, is_load};
use crate::{
    cast::google::{
        failure,
        json::{clip, integer, text},
        media, platform,
        requests::Request,
    },
    session::tv::{IdleReason, PlayerState, TvEvent},
};

impl Conversation {
    pub(super) fn player_said(&mut self, now: Instant, kind: &str, body: &Value) {
        let request = platform::request(body);
        match kind {
            "MEDIA_STATUS" => match media::status(body) {
                Some(status) => self.media_status(now, request, status),
                None => tracing::debug!("ignoring a media status without status"),
            },
            "ERROR" => self.player_error(body),
            "LOAD_FAILED" | "LOAD_CANCELLED" | "INVALID_REQUEST" | "INVALID_PLAYER_STATE" => {
                self.refused(request, kind, body);
            }
            _ => tracing::trace!(kind = clip(kind), "no concern of ours"),
        }
    }

    fn media_status(&mut self, now: Instant, request: Option<u32>, status: Option<media::Status>) {
        let asked = request.and_then(|id| self.requests.get(id));
        let answers_load = asked.is_some_and(is_load);
        if let Some(id) = request.filter(|_| asked.is_some() && !answers_load) {
            self.requests.close(id);
        }
        let Some(player) = &mut self.player else {
            return;
        };
        let Some(status) = status else {
            // For a LOAD that is no answer; the player may still come to it.
            player.loaded = media::Loaded::default();
            player.poll_at = None;
            self.outbox.push(TvEvent::Media(None));
            return;
        };
        let load = self.requests.find(is_load);
        if status.state == PlayerState::Idle(Some(IdleReason::Interrupted)) {
            let current = player.loaded.media_session;
            let replaced = matches!(load, Some((_, Request::Load { before, .. }))
                if *before == status.media_session);
            if replaced || (current.is_some() && current != status.media_session) {
                // What our own LOAD replaces ends, or what is no longer there. That is no news, and
                // would be taken for our stream's end when both have the same address.
                return;
            }
        }
        let mut told = None;
        if let Some((id, Request::Load { url, before, .. })) = load {
            let runs = matches!(
                status.state,
                PlayerState::Playing | PlayerState::Buffering | PlayerState::Paused
            );
            let is_ours = status.content.as_ref() == Some(url) && status.media_session != *before;
            if answers_load || (runs && is_ours) {
                told = Some(url.clone());
                self.requests.close(id);
            }
        }
        let view = player.loaded.update(status, told.as_deref());
        self.outbox.push(TvEvent::Media(Some(view)));
        self.schedule_poll(now);
    }

    pub(super) fn schedule_poll(&mut self, now: Instant) {
        let next = now + self.timing.poll;
        if let Some(player) = &mut self.player {
            player.poll_at = (player.open && player.loaded.active).then_some(next);
        }
    }

    /// Comes before LOAD_FAILED, or with the end of what plays.
    fn player_error(&mut self, body: &Value) {
        let Some(code) = integer(body, "detailedErrorCode") else {
            return;
        };
        let said = failure::PlayerError(code);
        tracing::debug!(error = %said, "the TV's player");
        if let Some(Request::Load { error, .. }) = self.requests.find_mut(is_load) {
            *error = Some(said);
        }
    }

    fn refused(&mut self, request: Option<u32>, kind: &str, body: &Value) {
        let asked = match request {
            Some(id) => self.requests.close(id),
            None => self.requests.take(is_load),
        };
        match asked {
            Some(Request::Load { error, .. }) => {
                let code = integer(body, "detailedErrorCode").map(failure::PlayerError);
                let why = failure::load(kind, text(body, "reason").as_deref(), code.or(error));
                self.outbox.push(TvEvent::LoadFailed(why));
            }
            asked => tracing::debug!(?asked, kind, "the TV's player refuses a request"),
        }
    }
}
