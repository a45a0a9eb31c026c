//! When it is time to ask again.

use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tokio::{sync::Notify, task::JoinHandle};
use zbus::{Connection, MatchRule, MessageStream, message::Type};

use super::{NAME, ROOT};

/// Tells that something may have changed, not what: who is told asks for everything. Changes that
/// come faster than they are waited for are told once, so however many signals there are, nothing
/// piles up here or on the bus.
#[derive(Debug)]
pub(in crate::cli) struct Changes {
    changed: Arc<Notify>,
    reading: JoinHandle<()>,
}

impl Changes {
    pub(super) async fn follow(connection: &Connection) -> zbus::Result<Self> {
        let signals = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender(NAME)
            .path_namespace(ROOT)
            .build()?;
        // A service that ends says nothing; the bus does.
        let owner = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg(0, NAME)
            .build()?;
        let signals = MessageStream::for_match_rule(signals, connection, None).await?;
        let owner = MessageStream::for_match_rule(owner, connection, None).await?;
        let changed = Arc::new(Notify::new());
        let told = Arc::clone(&changed);
        let reading = tokio::spawn(async move {
            let mut messages = stream::select(signals, owner);
            while messages.next().await.is_some() {
                told.notify_one();
            }
            // The bus is gone: whoever asks again is told so.
            told.notify_one();
        });
        Ok(Self { changed, reading })
    }

    /// Comes back after the next change; may be dropped without a loss.
    pub(in crate::cli) async fn next(&self) {
        self.changed.notified().await;
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.reading.abort();
    }
}
