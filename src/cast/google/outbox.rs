//! What the core has not yet taken.

use std::{collections::VecDeque, mem};

use crate::session::tv::TvEvent;

/// In normal life this holds one or two; the rest is for a core that is busy for a moment.
const ROOM: usize = 32;

/// Events on their way to the core, in the order in which the TV gave them.
///
/// Bounded: when it is full, the oldest event that a younger one of its kind makes void is left out.
/// So a TV that says more than is read costs no memory, the TV is always read (its PINGs are
/// answered), and the newest of each kind of news arrives.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    events: VecDeque<TvEvent>,
}

impl Outbox {
    pub(super) fn push(&mut self, event: TvEvent) {
        self.events.push_back(event);
        if self.events.len() > ROOM {
            self.leave_one_out();
        }
    }

    pub(super) fn pop(&mut self) -> Option<TvEvent> {
        self.events.pop_front()
    }

    pub(super) fn clear(&mut self) {
        self.events.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn leave_one_out(&mut self) {
        // There are fewer kinds than room, so there is always such an event.
        let void = (0..self.events.len()).find(|at| {
            let kind = mem::discriminant(&self.events[*at]);
            self.events.range(at + 1..).any(|event| mem::discriminant(event) == kind)
        });
        if let Some(at) = void {
            self.events.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::tv::{MediaView, PlayerState, ReceiverView};

    fn at(position: u32) -> TvEvent {
        let position = position.into();
        TvEvent::Media(Some(MediaView { content: None, state: PlayerState::Playing, position }))
    }

    #[test]
    fn a_flood_leaves_the_newest_and_what_is_rare() {
        let mut outbox = Outbox::default();
        outbox.push(TvEvent::Receiver(ReceiverView::default()));
        outbox.push(TvEvent::LaunchPending);
        for position in 0..10_000 {
            outbox.push(at(position));
        }
        let events: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(events.len(), ROOM);
        assert_eq!(
            events[..2],
            [TvEvent::Receiver(ReceiverView::default()), TvEvent::LaunchPending]
        );
        assert_eq!(events.last(), Some(&at(9_999)));
    }

    #[test]
    fn what_is_read_in_time_is_whole_and_in_order() {
        let mut outbox = Outbox::default();
        let said: Vec<_> = (0..20).map(at).collect();
        said.iter().cloned().for_each(|event| outbox.push(event));
        let read: Vec<_> = std::iter::from_fn(|| outbox.pop()).collect();
        assert_eq!(read, said);
    }
}
