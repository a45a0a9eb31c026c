//! How much each has of what all share.

use std::{
    collections::HashMap,
    fmt::Debug,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Counts, each by whose it is. Bounded by what there is to be had. A clone is another handle.
#[derive(Clone, Debug)]
pub(crate) struct Shares<W: Eq + Hash>(Arc<Mutex<HashMap<W, usize>>>);

/// One of what there is; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share<W: Eq + Hash> {
    shares: Shares<W>,
    whose: W,
}

impl<W: Eq + Hash> Default for Shares<W> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<W: Eq + Hash + Clone> Shares<W> {
    /// One more, unless `may` objects to it, which is told how many this one has and how many all have.
    ///
    /// # Errors
    /// What `may` objects.
    pub(crate) fn take<E>(
        &self,
        whose: W,
        may: impl FnOnce(usize, usize) -> Result<(), E>,
    ) -> Result<Share<W>, E> {
        let mut counts = self.lock();
        let own = counts.get(&whose).copied().unwrap_or_default();
        may(own, counts.values().sum())?;
        counts.insert(whose.clone(), own + 1);
        drop(counts);
        Ok(Share { shares: self.clone(), whose })
    }
}

impl<W: Eq + Hash> Shares<W> {
    fn lock(&self) -> MutexGuard<'_, HashMap<W, usize>> {
        // A count is changed in one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }
}

impl<W: Eq + Hash> Drop for Share<W> {
    fn drop(&mut self) {
        let mut counts = self.shares.lock();
        let Some(own) = counts.get_mut(&self.whose) else { return };
        *own -= 1;
        if *own == 0 {
            counts.remove(&self.whose);
        }
    }
}
