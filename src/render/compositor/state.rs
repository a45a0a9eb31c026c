//! The compositor's state: its windows and popups, what must be drawn, who waits for a frame.

use std::{sync::Arc, time::Duration};

use smithay::{
    input::SeatState,
    output::{Mode, Output, PhysicalProperties, Subpixel},
    reexports::{
        wayland_protocols::{
            wp::presentation_time::server::wp_presentation_feedback::Kind,
            xdg::shell::server::xdg_toplevel,
        },
        wayland_server::{
            DisplayHandle, Resource,
            protocol::{wl_callback::WlCallback, wl_surface::WlSurface},
        },
    },
    utils::{Logical, Rectangle, Transform},
    wayland::{
        compositor::{CompositorState, get_parent},
        output::OutputManagerState,
        presentation::{PresentationFeedbackCallback, PresentationState, Refresh},
        shell::xdg::{PopupSurface, PositionerState, ToplevelSurface, XdgShellState},
        shm::ShmState,
        single_pixel_buffer::SinglePixelBufferState,
        viewporter::ViewporterState,
    },
};

use super::{Event, rhythm::Rhythm, scene::Scene};
use crate::media::{Damage, FrameClock, MediaTime, Screen};

/// What clients can bind. No seat: without one there is no pointer, so there is never a cursor.
pub(super) struct Globals {
    pub(super) compositor: CompositorState,
    pub(super) shm: ShmState,
    pub(super) xdg_shell: XdgShellState,
    pub(super) seats: SeatState<State>,
    _output_manager: OutputManagerState,
    _presentation: PresentationState,
    _single_pixel: SinglePixelBufferState,
    _viewporter: ViewporterState,
}

pub(super) struct State {
    pub(super) globals: Globals,
    display: DisplayHandle,
    output: Output,
    screen: Arc<Screen>,
    clock: FrameClock,
    to_owner: Box<dyn Fn(Event) + Send>,
    /// The oldest gets the screen: it is the page's, and what the page opens beside it must not show
    /// before it is closed.
    windows: Vec<ToplevelSurface>,
    popups: Vec<PopupSurface>,
    scene: Scene,
    needs_drawing: bool,
    /// The page's first picture has been announced.
    visible: bool,
    /// Requested frames, answered all at the next tick. One client, which asks once a commit.
    callbacks: Vec<WlCallback>,
    /// The tick at which callbacks were last sent.
    last_tick: u64,
    /// How many ticks the page gets for its next picture.
    pace: u64,
    rhythm: Rhythm,
}

impl State {
    pub(super) fn new(
        display: &DisplayHandle,
        screen: Arc<Screen>,
        clock: FrameClock,
        to_owner: Box<dyn Fn(Event) + Send>,
    ) -> Self {
        let output = Output::new(
            "TV-1".to_owned(),
            PhysicalProperties {
                size: (0, 0).into(),
                subpixel: Subpixel::None,
                make: "dashboard-cast".to_owned(),
                model: "TV".to_owned(),
            },
        );
        let size = screen.size();
        let mode = Mode {
            size: (pixels(size.width), pixels(size.height)).into(),
            refresh: i32::try_from(clock.per_second() * 1000).unwrap_or(i32::MAX),
        };
        output.create_global::<Self>(display);
        output.change_current_state(Some(mode), Some(Transform::Normal), None, Some((0, 0).into()));
        output.set_preferred(mode);
        Self {
            globals: Globals {
                compositor: CompositorState::new::<Self>(display),
                shm: ShmState::new::<Self>(display, []),
                xdg_shell: XdgShellState::new::<Self>(display),
                seats: SeatState::new(),
                _output_manager: OutputManagerState::new_with_xdg_output::<Self>(display),
                _presentation: PresentationState::new::<Self>(display, CLOCK_MONOTONIC),
                _single_pixel: SinglePixelBufferState::new::<Self>(display),
                _viewporter: ViewporterState::new::<Self>(display),
            },
            display: display.clone(),
            output,
            screen,
            clock,
            to_owner,
            windows: Vec::new(),
            popups: Vec::new(),
            scene: Scene::default(),
            needs_drawing: false,
            visible: false,
            callbacks: Vec::new(),
            last_tick: 0,
            pace: 1,
            rhythm: Rhythm::default(),
        }
    }

    pub(super) fn display(&self) -> &DisplayHandle {
        &self.display
    }

    pub(super) fn committed(&mut self, surface: &WlSurface, callbacks: Vec<WlCallback>) {
        self.callbacks.extend(callbacks);
        self.needs_drawing = true;
        if let Some(window) = self.windows.iter().find(|window| window.wl_surface() == surface)
            && !window.is_initial_configure_sent()
        {
            window.send_configure();
        }
        if let Some(popup) = self.popups.iter().find(|popup| popup.wl_surface() == surface)
            && !popup.is_initial_configure_sent()
            && let Err(error) = popup.send_configure()
        {
            tracing::debug!(%error, "configuring a popup");
        }
    }

    pub(super) fn add_window(&mut self, window: ToplevelSurface) {
        let size = self.screen.size();
        window.with_pending_state(|state| {
            state.size = Some((pixels(size.width), pixels(size.height)).into());
            state.states.set(xdg_toplevel::State::Fullscreen);
            state.states.set(xdg_toplevel::State::Activated);
        });
        self.windows.push(window);
        self.needs_drawing = true;
    }

    pub(super) fn remove_window(&mut self, window: &ToplevelSurface) {
        if self.windows.first() == Some(window) {
            // The one behind it may be another browser's, which is yet to be told of.
            self.visible = false;
        }
        self.windows.retain(|held| held != window);
        self.needs_drawing = true;
    }

    pub(super) fn add_popup(&mut self, popup: PopupSurface) {
        self.popups.push(popup);
    }

    pub(super) fn remove_popup(&mut self, popup: &PopupSurface) {
        self.popups.retain(|held| held != popup);
        self.needs_drawing = true;
    }

    /// Puts a popup where it asks to be, moved so that it stays on the screen.
    pub(super) fn place_popup(&mut self, popup: &PopupSurface, positioner: PositionerState) {
        let parent = popup.get_parent_surface().map_or((0, 0), |parent| self.place(&parent).1);
        let size = self.screen.size();
        let screen: Rectangle<i32, Logical> = Rectangle::new(
            (-parent.0, -parent.1).into(),
            (pixels(size.width), pixels(size.height)).into(),
        );
        popup.with_pending_state(|state| {
            state.geometry = positioner.get_unconstrained_geometry(screen);
            state.positioner = positioner;
        });
    }

    /// The window that a surface belongs to, and where on the screen the surface lies.
    fn place(&self, surface: &WlSurface) -> (WlSurface, (i32, i32)) {
        let mut place = (0_i32, 0_i32);
        let mut root = surface.clone();
        // A popup's parent may be a popup; the list bounds the climb.
        for _ in 0..=self.popups.len() {
            while let Some(parent) = get_parent(&root) {
                root = parent;
            }
            let Some(popup) = self.popups.iter().find(|popup| *popup.wl_surface() == root) else {
                break;
            };
            let location = popup.with_pending_state(|state| state.geometry.loc);
            place = (place.0.saturating_add(location.x), place.1.saturating_add(location.y));
            match popup.get_parent_surface() {
                Some(parent) => root = parent,
                None => break,
            }
        }
        (root, place)
    }

    /// Draws what changed since the last call, if anything did.
    pub(super) fn draw(&mut self) {
        if !std::mem::take(&mut self.needs_drawing) {
            return;
        }
        let Some(window) = self.windows.first() else {
            return;
        };
        let mut roots = vec![(window.wl_surface().clone(), (0, 0))];
        for popup in self.popups.iter().filter(|popup| popup.alive()) {
            let (root, place) = self.place(popup.wl_surface());
            if root == *window.wl_surface() {
                roots.push((popup.wl_surface().clone(), place));
            }
        }
        let size = self.screen.size();
        let (mut drew, mut presented) = (false, Vec::new());
        let seen = self.screen.draw_page(|pixels| {
            let Some(changed) = self.scene.draw(&roots, pixels, size, &mut presented) else {
                return Damage::none();
            };
            drew = true;
            self.pace = self.rhythm.pace(self.clock, &changed, size);
            changed.damage
        });
        if !seen {
            // A page that is on its way should not be kept waiting.
            self.pace = 1;
        }
        self.present(presented);
        if drew && !self.visible {
            self.visible = true;
            (self.to_owner)(Event::PageVisible);
        }
    }

    /// Tells the page when it was seen and when it will be looked at next. Chromium draws at that
    /// rhythm; frame callbacks alone would let it draw at 60 pictures a second that nobody takes.
    fn present(&self, feedback: Vec<PresentationFeedbackCallback>) {
        let tick = self.clock.tick_at(MediaTime::now());
        let time: Duration = self.clock.time_of(tick).into();
        let rhythm: Duration =
            self.clock.time_of(tick + self.pace).since(self.clock.time_of(tick)).into();
        for callback in feedback {
            let refresh = Refresh::fixed(rhythm);
            callback.presented(&self.output, time, refresh, tick, Kind::Vsync | Kind::HwClock);
        }
    }

    /// When the waiting callbacks are due; `None` when nobody waits.
    pub(super) fn frame_due(&self) -> Option<MediaTime> {
        (!self.callbacks.is_empty()).then(|| self.clock.time_of(self.last_tick + self.pace))
    }

    /// Asks the page for its next picture.
    pub(super) fn send_frames(&mut self, now: MediaTime) {
        self.last_tick = self.clock.tick_at(now);
        let millis = u32::try_from(now.ticks() / 90 % (u64::from(u32::MAX) + 1)).unwrap_or(0);
        for callback in self.callbacks.drain(..) {
            if callback.is_alive() {
                callback.done(millis);
            }
        }
    }
}

/// The clock of [`MediaTime`], as `wp_presentation` names it.
const CLOCK_MONOTONIC: u32 = 1;

/// A side of the screen in Wayland's signed coordinates; sizes come from a table and are small.
fn pixels(side: u32) -> i32 {
    i32::try_from(side).unwrap_or(i32::MAX)
}
