//! What the server asks of the parts behind it.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

use crate::{
    cast::Device,
    ids::SessionId,
    session::{Health, PictureError, Snapshot, StartError, StartRequest, Stopped, cast::Entry},
};

/// The sessions.
///
/// `start` and `stop` are run to their end even when the caller hangs up; the other futures may be
/// dropped at any time.
pub trait Core: Send + Sync + 'static {
    fn start(
        &self,
        request: StartRequest,
    ) -> impl Future<Output = Result<Snapshot, StartError>> + Send;

    /// Stops one session, or all of them.
    fn stop(&self, session: Option<SessionId>) -> impl Future<Output = Stopped> + Send;

    /// In the order in which they were started.
    fn sessions(&self) -> Vec<Snapshot>;

    fn session(&self, session: &SessionId) -> Option<Snapshot>;

    /// What is on the stream now, as PNG.
    fn picture(
        &self,
        session: &SessionId,
    ) -> impl Future<Output = Result<Bytes, PictureError>> + Send;

    /// What happened to the session's cast, the oldest event first; nothing when it has none.
    fn timeline(&self, session: &SessionId) -> Option<Arc<[Entry]>>;

    fn health(&self) -> Health;

    /// The TVs, by name.
    fn devices(&self) -> Vec<Device>;
}

/// The streams, found by the secret part of their address.
pub trait Media: Send + Sync + 'static {
    type Live: Live;

    fn get(&self, token: &str) -> Option<Arc<Self::Live>>;
}

/// One session's stream.
pub trait Live: Send + Sync + 'static {
    /// `None` before the first segment.
    fn master_playlist(&self) -> Option<String>;

    /// `None` before the first segment.
    fn media_playlist(&self) -> Option<String>;

    fn init(&self, number: u32) -> Option<Bytes>;

    fn segment(&self, sequence: u64) -> Option<Bytes>;

    /// Comes back when there is a first segment, or when none will ever be.
    fn ready(&self) -> impl Future<Output = ()> + Send;

    /// One endless file from now on. It ends with the stream, or when its reader is too slow.
    fn progressive(self: &Arc<Self>) -> impl Stream<Item = Bytes> + Send + 'static;
}
