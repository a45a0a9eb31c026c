use std::{
    fmt,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{Damage, MediaTime};
use crate::units::Size;

/// What the TV would show now: the page's picture, or a slate in front of it, with what changed since
/// the encoder last looked.
///
/// It is the whole queue between capture and encoding, with room for one picture: a new picture
/// replaces the one not yet encoded and their damage adds up, so the newest always wins and nothing
/// waits. Pixels are BGRA, 4 bytes each, rows without padding.
pub struct Screen {
    size: Size,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    page: Vec<u8>,
    slate: Option<Vec<u8>>,
    damage: Damage,
    captured: MediaTime,
    closed: bool,
}

/// Why [`Screen::wait`] returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    Damaged,
    TimeOut,
    /// No picture will follow.
    Closed,
}

impl Screen {
    /// A black screen; all of it counts as changed. Sides must be even, as 4:2:0 chroma needs.
    pub fn new(size: Size) -> Self {
        Self {
            size,
            state: Mutex::new(State {
                page: vec![0; size.pixels() * 4],
                slate: None,
                damage: Damage::whole(size),
                captured: MediaTime::now(),
                closed: false,
            }),
            changed: Condvar::new(),
        }
    }

    pub const fn size(&self) -> Size {
        self.size
    }

    /// Lets `draw` change the page's picture and say what it changed. Returns whether the page can be
    /// seen, or a slate is in front of it.
    pub fn draw_page(&self, draw: impl FnOnce(&mut [u8]) -> Damage) -> bool {
        let mut state = self.lock();
        let damage = draw(&mut state.page);
        if state.slate.is_some() {
            return false;
        }
        if !damage.is_empty() {
            for &rect in damage.rects() {
                state.damage.add(rect);
            }
            state.captured = MediaTime::now();
            self.changed.notify_all();
        }
        true
    }

    /// Puts a slate's pixels in front of the page, or takes it away. Pixels of the wrong length are
    /// refused: the screen stays as it is.
    pub fn show_slate(&self, slate: Option<Vec<u8>>) {
        let mut state = self.lock();
        if slate.as_ref().is_some_and(|pixels| pixels.len() != state.page.len()) {
            return;
        }
        if slate.is_none() && state.slate.is_none() {
            return;
        }
        state.slate = slate;
        state.damage = Damage::whole(self.size);
        state.captured = MediaTime::now();
        self.changed.notify_all();
    }

    /// All of it counts as changed, for somebody who has not seen it.
    pub fn spoil(&self) {
        self.lock().damage = Damage::whole(self.size);
    }

    /// Waits for damage. With `after` in the past it only looks.
    pub fn wait(&self, after: Duration) -> Wake {
        let state = self.lock();
        let (state, _timeout) = self
            .changed
            .wait_timeout_while(state, after, |state| state.damage.is_empty() && !state.closed)
            .unwrap_or_else(PoisonError::into_inner);
        match *state {
            State { closed: true, .. } => Wake::Closed,
            State { ref damage, .. } if damage.is_empty() => Wake::TimeOut,
            _ => Wake::Damaged,
        }
    }

    /// Waits out a span, whatever is drawn meanwhile; ends early only when the screen closes.
    pub fn pause(&self, span: Duration) {
        let state = self.lock();
        // The result is the guard again; there is nothing to read from it.
        drop(self.changed.wait_timeout_while(state, span, |state| !state.closed));
    }

    /// Takes the damage and lets `read` look at the visible pixels that it applies to.
    pub fn take<R>(&self, read: impl FnOnce(&[u8], &Damage, MediaTime) -> R) -> R {
        let mut state = self.lock();
        let damage = state.damage.take();
        read(state.slate.as_ref().unwrap_or(&state.page), &damage, state.captured)
    }

    /// A copy of the visible pixels.
    pub fn picture(&self) -> Vec<u8> {
        let state = self.lock();
        state.slate.as_ref().unwrap_or(&state.page).clone()
    }

    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A panic while drawing leaves pixels half drawn, never memory unsafe; the next picture mends it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Screen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Screen").field("size", &self.size).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Rect;

    const SIZE: Size = Size::new(4, 2);

    fn taken(screen: &Screen) -> (Vec<u8>, Damage) {
        screen.take(|pixels, damage, _| (pixels.to_vec(), damage.clone()))
    }

    fn draw(screen: &Screen, value: u8, rect: Rect) {
        screen.draw_page(|pixels| {
            pixels.fill(value);
            let mut damage = Damage::none();
            damage.add(rect);
            damage
        });
    }

    #[test]
    fn damage_adds_up_until_it_is_taken() {
        let screen = Screen::new(SIZE);
        assert_eq!(taken(&screen).1, Damage::whole(SIZE));
        assert_eq!(screen.wait(Duration::ZERO), Wake::TimeOut);
        draw(&screen, 1, Rect::new(0, 0, 1, 1));
        draw(&screen, 2, Rect::new(2, 1, 1, 1));
        assert_eq!(screen.wait(Duration::ZERO), Wake::Damaged);
        let (pixels, damage) = taken(&screen);
        assert_eq!(pixels[0], 2, "the newest picture wins");
        assert_eq!(damage.rects().len(), 2);
        assert!(taken(&screen).1.is_empty());
    }

    #[test]
    fn a_slate_hides_the_page_and_gives_it_back_whole() {
        let screen = Screen::new(SIZE);
        screen.show_slate(Some(vec![9; 32]));
        assert_eq!(taken(&screen), (vec![9; 32], Damage::whole(SIZE)));
        draw(&screen, 5, Rect::new(0, 0, 1, 1));
        assert!(taken(&screen).1.is_empty(), "what happens behind a slate is not seen");
        screen.show_slate(None);
        assert_eq!(taken(&screen), (vec![5; 32], Damage::whole(SIZE)));
        screen.show_slate(None);
        assert!(taken(&screen).1.is_empty(), "taking away no slate changes nothing");
    }

    #[test]
    fn a_slate_of_the_wrong_size_is_refused() {
        let screen = Screen::new(SIZE);
        screen.show_slate(Some(vec![9; 31]));
        assert_eq!(screen.picture(), vec![0; 32]);
    }

    #[test]
    fn closing_wakes_who_waits() {
        let screen = Screen::new(SIZE);
        taken(&screen);
        std::thread::scope(|scope| {
            let waiter = scope.spawn(|| screen.wait(Duration::from_secs(60)));
            screen.close();
            assert_eq!(waiter.join().unwrap(), Wake::Closed);
        });
    }
}
