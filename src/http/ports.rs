//! What the server asks of the streams.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::Stream;

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

    /// Comes back with the next segment where that comes soon, else at once.
    fn fresh(&self) -> impl Future<Output = ()> + Send;

    /// One endless file from now on. It ends with the stream, or when its reader is too slow.
    fn progressive(self: &Arc<Self>) -> impl Stream<Item = Bytes> + Send + 'static;
}
