//! What is on the bus: an interface whose properties, asked for together, are of one moment.

use std::{
    collections::HashMap,
    fmt,
    future::ready,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use zbus::{
    BoxDBusError, Connection, ObjectServer, OwnedVariant, Variant, fdo,
    message::{Header, Message},
    names::{InterfaceName, MemberName},
    object_server::{DispatchResult, Interface, SignalEmitter},
};

use super::edge::too_large;

/// An interface that reads its properties from the core, each as it is at that time, or all from facts
/// that it was given.
pub(super) trait Object: Interface + Clone {
    /// All that the properties are made from.
    type Facts: PartialEq + Send + Sync;
    /// Those whose changes are not told; as the introspection says.
    const SILENT: &'static [&'static str] = &[];
    /// Those of which only is told that they changed; as the introspection says.
    const INVALIDATED: &'static [&'static str] = &[];

    /// What is so now; nothing when what the object stands for has ended.
    fn facts(&self) -> Option<Arc<Self::Facts>>;

    /// The same object with these facts, whatever happens meanwhile.
    fn at(&self, facts: Arc<Self::Facts>) -> Self;
}

/// An object on the bus. The interface macro's `GetAll` asks for one property after the other, and the
/// core goes on in between: a session would be live and have no encoder. So facts are taken once, which
/// also is cheaper. A clone is another handle on the same.
#[derive(Clone)]
pub(super) struct Whole<I> {
    live: I,
    /// With the facts that were known last: what is read until the object is on the bus, so that it is
    /// what the publisher goes on from, and when what it stands for has ended and it is still there.
    last: Arc<Mutex<I>>,
    is_added: Arc<AtomicBool>,
}

impl<I> fmt::Debug for Whole<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Whole").field("is_added", &self.is_added).finish_non_exhaustive()
    }
}

impl<I: Object> Whole<I> {
    /// One that stays as it is until it is told to go with the time.
    pub(super) fn new(live: I, facts: Arc<I::Facts>) -> Self {
        let last = Arc::new(Mutex::new(live.at(facts)));
        Self { live, last, is_added: Arc::default() }
    }

    pub(super) fn go_with_the_time(&self) {
        self.is_added.store(true, Ordering::Release);
    }

    /// The object with these facts, which are remembered.
    pub(super) fn at(&self, facts: Arc<I::Facts>) -> I {
        let at = self.live.at(facts);
        *self.lock() = at.clone();
        at
    }

    fn now(&self) -> I {
        let is_added = self.is_added.load(Ordering::Acquire);
        match is_added.then(|| self.live.facts()).flatten() {
            Some(facts) => self.at(facts),
            None => self.lock().clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, I> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl<I: Object> Interface for Whole<I> {
    fn name() -> InterfaceName<'static> {
        I::name()
    }

    fn spawn_tasks_for_methods(&self) -> bool {
        self.live.spawn_tasks_for_methods()
    }

    async fn get(
        &self,
        property: &str,
        server: &ObjectServer,
        connection: &Connection,
        call: Option<&Header<'_>>,
        emitter: &SignalEmitter<'_>,
    ) -> Option<Result<OwnedVariant, BoxDBusError>> {
        self.now().get(property, server, connection, call, emitter).await
    }

    async fn get_all(
        &self,
        server: &ObjectServer,
        connection: &Connection,
        call: Option<&Header<'_>>,
        emitter: &SignalEmitter<'_>,
    ) -> fdo::Result<HashMap<String, OwnedVariant>> {
        self.now().get_all(server, connection, call, emitter).await
    }

    fn set<'call>(
        &'call self,
        property: &'call str,
        value: &'call Variant<'_>,
        server: &'call ObjectServer,
        connection: &'call Connection,
        call: Option<&'call Header<'_>>,
        emitter: &'call SignalEmitter<'_>,
    ) -> DispatchResult<'call> {
        self.live.set(property, value, server, connection, call, emitter)
    }

    async fn set_mut(
        &mut self,
        property: &str,
        value: &Variant<'_>,
        server: &ObjectServer,
        connection: &Connection,
        call: Option<&Header<'_>>,
        emitter: &SignalEmitter<'_>,
    ) -> Option<Result<(), BoxDBusError>> {
        self.live.set_mut(property, value, server, connection, call, emitter).await
    }

    fn call<'call>(
        &'call self,
        server: &'call ObjectServer,
        connection: &'call Connection,
        call: &'call Message,
        method: MemberName<'call>,
    ) -> DispatchResult<'call> {
        match too_large(call) {
            Some(error) => DispatchResult::new_async(connection, call, ready(Err::<(), _>(error))),
            None => self.live.call(server, connection, call, method),
        }
    }

    fn call_mut<'call>(
        &'call mut self,
        server: &'call ObjectServer,
        connection: &'call Connection,
        call: &'call Message,
        method: MemberName<'call>,
    ) -> DispatchResult<'call> {
        // Only what `call` has let through.
        self.live.call_mut(server, connection, call, method)
    }

    fn introspect_to_writer(&self, writer: &mut dyn fmt::Write, level: usize) {
        self.live.introspect_to_writer(writer, level);
    }
}
