//! How much is done at a time.

use super::error::{Error, Kind};
use crate::shares::{Share, Shares};

/// Commands of one caller: more than a person or a script has use for.
const COMMANDS_OF_ONE: usize = 16;
/// Commands of all callers. Each costs a task and its message.
const COMMANDS: usize = 128;
/// Questions for a password that one caller waits for. People answer one at a time.
const PASSWORDS_OF_ONE: usize = 4;
/// Such questions of all callers. They may stay for minutes, and who wants to can leave his own open:
/// so they are counted apart, and whoever needs no password never waits behind them.
const PASSWORDS: usize = 32;

/// What runs now. One too many is refused, not queued: its caller knows best whether it is still wanted
/// later. A clone is another handle.
#[derive(Clone, Debug)]
pub(super) struct Turns {
    what: &'static str,
    most_of_one: usize,
    most: usize,
    running: Shares<String>,
}

/// Something that may go on until this is dropped.
pub(super) type Turn = Share<String>;

impl Turns {
    pub(super) fn of_commands() -> Self {
        Self::new("commands", COMMANDS_OF_ONE, COMMANDS)
    }

    pub(super) fn of_passwords() -> Self {
        Self::new("questions for a password", PASSWORDS_OF_ONE, PASSWORDS)
    }

    fn new(what: &'static str, most_of_one: usize, most: usize) -> Self {
        Self { what, most_of_one, most, running: Shares::default() }
    }

    pub(super) fn take(&self, caller: &str) -> Result<Turn, Error> {
        let refusal = |number: usize, whose: &str| {
            let message = format!("{number} {}{whose} are open, as many as may", self.what);
            Err(Error::new(Kind::LimitsExceeded, message))
        };
        self.running.take(caller.to_owned(), |own, all| {
            if own >= self.most_of_one {
                return refusal(own, " of this caller");
            }
            if all >= self.most {
                return refusal(self.most, "");
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_cannot_keep_others_out() {
        let turns = Turns::of_commands();
        let greedy: Vec<_> = (0..COMMANDS_OF_ONE).map(|_| turns.take(":1.1").unwrap()).collect();
        assert!(turns.take(":1.1").is_err());
        drop(turns.take(":1.2").unwrap());
        drop(greedy);
        assert!(turns.running.is_empty());
        assert!(turns.take(":1.1").is_ok());
    }

    #[test]
    fn all_together_have_a_limit_as_well() {
        let turns = Turns::of_commands();
        let all: Vec<_> = (0..COMMANDS)
            .map(|number| turns.take(&format!(":1.{}", number % 32)).unwrap())
            .collect();
        assert!(turns.take(":1.99").is_err());
        drop(all);
        assert!(turns.take(":1.99").is_ok());
    }
}
