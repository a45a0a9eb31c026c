//! Who may encode, in which order: told by the daemon, shortened by what fails.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::session::Encoding;

/// The encodings to choose from, best first, shared by who learns of them and who uses them.
///
/// There is always one: software.
#[derive(Debug)]
pub struct Lineup(Mutex<Vec<Encoding>>);

impl Lineup {
    pub fn new(encodings: Vec<Encoding>) -> Self {
        Self(Mutex::new(complete(encodings)))
    }

    /// From now on these; what failed before may be among them again.
    pub fn set(&self, encodings: Vec<Encoding>) {
        *self.lock() = complete(encodings);
    }

    pub(super) fn best(&self) -> Encoding {
        self.lock().first().cloned().unwrap_or(Encoding::Software)
    }

    /// It failed, or `hung`: then all else on its node would as well. Returns whether there is another.
    pub(super) fn strike(&self, failed: &Encoding, hung: bool) -> bool {
        if *failed == Encoding::Software {
            return false;
        }
        self.lock().retain(|encoding| match hung {
            true => encoding.node() != failed.node(),
            false => encoding != failed,
        });
        true
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Encoding>> {
        // A list is replaced or shortened; a panic leaves one of the two.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn complete(mut encodings: Vec<Encoding>) -> Vec<Encoding> {
    if !encodings.contains(&Encoding::Software) {
        encodings.push(Encoding::Software);
    }
    encodings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Api;

    fn gpu() -> Encoding {
        Encoding::Hardware { api: Api::Qsv, node: "/dev/dri/renderD128".into(), driver: None }
    }

    #[test]
    fn what_fails_is_struck_until_the_list_is_told_again() {
        let lineup = Lineup::new(vec![gpu()]);
        assert_eq!(lineup.best(), gpu());
        assert!(lineup.strike(&gpu(), false));
        assert_eq!(lineup.best(), Encoding::Software);
        lineup.set(vec![gpu()]);
        assert_eq!(lineup.best(), gpu());
    }

    #[test]
    fn nothing_comes_after_software() {
        let lineup = Lineup::new(Vec::new());
        assert_eq!(lineup.best(), Encoding::Software);
        assert!(!lineup.strike(&Encoding::Software, true));
        assert_eq!(lineup.best(), Encoding::Software);
    }
}
