//! What the TV says to what it is asked.

use std::time::Instant;

use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::{
    App, Call, Media, Order, Shared,
    wire::{CONNECTION, Envelope, HEARTBEAT, IDLE_SCREEN, MEDIA, RECEIVER},
};

impl Shared {
    pub(super) fn open(&mut self, id: &str, name: &str) {
        self.runs += 1;
        self.state.media = None;
        self.state.app = Some(App {
            id: id.to_owned(),
            name: name.to_owned(),
            session: format!("session-{}", self.runs),
            transport: format!("transport-{}", self.runs),
        });
    }

    pub(super) fn load(&mut self, content: &str) {
        self.loads += 1;
        self.state.media = Some(Media {
            session: self.loads,
            content: content.to_owned(),
            state: "PLAYING",
            idle_reason: None,
            played: 0.0,
            since: Instant::now(),
        });
    }

    pub(super) fn receiver_status(&self, request: i64) -> Value {
        let state = &self.state;
        let mut status = json!({"volume": {
            "level": state.volume, "muted": state.muted, "controlType": "attenuation",
        }});
        let apps: Vec<_> = state
            .app
            .iter()
            .map(|app| {
                json!({
                    "appId": app.id, "displayName": app.name, "isIdleScreen": app.id == IDLE_SCREEN,
                    "sessionId": app.session, "transportId": app.transport,
                    "namespaces": [{"name": MEDIA}], "statusText": "",
                })
            })
            .collect();
        if !(apps.is_empty() && self.faults.no_list) {
            status["applications"] = json!(apps);
        }
        if let Some(standby) = state.standby {
            status["isStandBy"] = json!(standby);
        }
        if let Some(active) = state.active_input {
            status["isActiveInput"] = json!(active);
        }
        json!({"type": "RECEIVER_STATUS", "requestId": request, "status": status})
    }

    fn media_status(&self, request: i64, with_media: bool) -> Value {
        let media = self.state.media.as_ref().filter(|_| !self.faults.empty_media_status);
        let status: Vec<_> = media
            .iter()
            .map(|media| {
                let mut status = json!({
                    "mediaSessionId": media.session, "playbackRate": 1, "playerState": media.state,
                    "currentTime": media.position(), "supportedMediaCommands": 274_447,
                });
                if let Some(reason) = media.idle_reason {
                    status["idleReason"] = json!(reason);
                }
                let content = json!({"contentId": media.content, "streamType": "LIVE"});
                if media.state == "LOADING" {
                    status["playerState"] = json!("IDLE");
                    status["extendedStatus"] = json!({
                        "playerState": "LOADING", "media": content,
                        "mediaSessionId": media.session,
                    });
                } else if with_media {
                    status["media"] = content;
                }
                status
            })
            .collect();
        json!({"type": "MEDIA_STATUS", "requestId": request, "status": status})
    }

    /// Tells everybody what plays.
    pub(super) fn tell_media(&self, orders: &mpsc::UnboundedSender<Order>) {
        if let Some(app) = &self.state.app {
            let body = self.media_status(0, self.state.media.is_some());
            let frame = Envelope::new(&app.transport, "*", MEDIA, &body).frame();
            drop(orders.send(Order::Send(frame)));
        }
    }

    /// What the TV says to a message.
    pub(super) fn answer(
        &mut self,
        connection: usize,
        open: &mut Vec<String>,
        said: &Envelope,
    ) -> Vec<Envelope> {
        let body: Value =
            serde_json::from_str(said.text.as_deref().unwrap_or("null")).expect("JSON");
        self.calls.push(Call {
            connection,
            destination: said.destination.clone(),
            namespace: said.namespace.clone(),
            body: body.clone(),
        });
        let kind = body["type"].as_str().unwrap_or_default();
        if self.faults.silent || self.faults.ignores == Some(kind) {
            return Vec::new();
        }
        let reply =
            |body: &Value| Envelope::new(&said.destination, &said.source, &said.namespace, body);
        let app = self.state.app.clone();
        let there = said.destination == "receiver-0"
            || app.as_ref().is_some_and(|app| app.transport == said.destination);
        if said.namespace == CONNECTION {
            open.retain(|open| *open != said.destination);
            if kind == "CONNECT" && there {
                open.push(said.destination.clone());
                if self.faults.closes_channels && said.destination != "receiver-0" {
                    return vec![reply(&json!({"type": "CLOSE"}))];
                }
            }
            return Vec::new();
        }
        // Whoever has not connected is sent away.
        if !there || !open.contains(&said.destination) {
            let mut close = reply(&json!({"type": "CLOSE"}));
            CONNECTION.clone_into(&mut close.namespace);
            return vec![close];
        }
        let request = body["requestId"].as_i64().unwrap_or_default();
        if self.faults.refuses == Some(kind) {
            let refusal = json!({
                "type": "INVALID_REQUEST", "requestId": request, "reason": "INVALID_COMMAND",
            });
            return vec![reply(&refusal)];
        }
        let bodies = match said.namespace.as_str() {
            HEARTBEAT if kind == "PING" && !self.faults.no_pong => vec![json!({"type": "PONG"})],
            RECEIVER => self.platform(connection, request, kind, &body),
            MEDIA => self.player(request, kind, &body),
            _ => Vec::new(),
        };
        bodies.iter().map(reply).collect()
    }

    fn platform(
        &mut self,
        connection: usize,
        request: i64,
        kind: &str,
        body: &Value,
    ) -> Vec<Value> {
        match kind {
            "LAUNCH" if !self.faults.launch_errors.is_empty() => {
                let reason = self.faults.launch_errors.remove(0);
                return vec![json!({
                    "type": "LAUNCH_ERROR", "requestId": request, "reason": reason,
                })];
            }
            "LAUNCH" if self.faults.asks_permission => {
                self.asked = Some((connection, request));
                return vec![json!({
                    "type": "LAUNCH_STATUS", "launchRequestId": request,
                    "status": "USER_PENDING_AUTHORIZATION",
                })];
            }
            "LAUNCH" => {
                (self.state.standby, self.state.active_input) = (Some(false), Some(true));
                self.open(body["appId"].as_str().expect("an app"), "Default Media Receiver");
            }
            "STOP" => {
                let running = self.state.app.as_ref().map(|app| app.session.as_str());
                if running != body["sessionId"].as_str() {
                    return vec![json!({
                        "type": "INVALID_REQUEST", "requestId": request,
                        "reason": "INVALID_SESSION_ID",
                    })];
                }
                self.open(IDLE_SCREEN, "Backdrop");
            }
            "SET_VOLUME" => {
                if let Some(level) = body["volume"]["level"].as_f64() {
                    self.state.volume = level;
                }
                if let Some(muted) = body["volume"]["muted"].as_bool() {
                    self.state.muted = muted;
                }
            }
            "GET_STATUS" => {}
            _ => return Vec::new(),
        }
        vec![self.receiver_status(request)]
    }

    fn player(&mut self, request: i64, kind: &str, body: &Value) -> Vec<Value> {
        let known = self.state.media.as_ref().map(|media| media.session);
        match kind {
            "GET_STATUS" => return vec![self.media_status(request, true)],
            "LOAD" => {}
            _ if known.is_none() || body["mediaSessionId"].as_i64() != known => {
                return vec![json!({
                    "type": "INVALID_REQUEST", "requestId": request,
                    "reason": "INVALID_MEDIA_SESSION_ID",
                })];
            }
            "PLAY" => self.set_media("PLAYING"),
            "PAUSE" => self.set_media("PAUSED"),
            _ => return Vec::new(),
        }
        if kind != "LOAD" {
            return vec![self.media_status(request, false)];
        }
        let mut answers = Vec::new();
        if let Some(code) = self.faults.error_code {
            answers.push(json!({"type": "ERROR", "detailedErrorCode": code, "itemId": 1}));
        }
        if let Some(mut answer) = self.faults.load_answer.clone() {
            answer["requestId"] = json!(request);
            answers.push(answer);
            return answers;
        }
        let stated = body["media"].get("hlsSegmentFormat").is_some();
        if stated && self.faults.fails_when_format_is_stated {
            answers.push(json!({"type": "LOAD_FAILED", "requestId": request}));
            return answers;
        }
        if let Some(media) = &mut self.state.media {
            media.set("IDLE");
            media.idle_reason = Some("INTERRUPTED");
            answers.push(self.media_status(0, false));
        }
        self.load(body["media"]["contentId"].as_str().expect("a contentId"));
        if self.faults.loads_first {
            self.set_media("LOADING");
            answers.push(self.media_status(0, true));
            self.set_media("BUFFERING");
        }
        answers.push(self.media_status(request, true));
        if self.faults.loads_first {
            self.set_media("PLAYING");
            answers.push(self.media_status(0, false));
        }
        answers
    }

    fn set_media(&mut self, state: &'static str) {
        if let Some(media) = &mut self.state.media {
            media.set(state);
        }
    }
}
