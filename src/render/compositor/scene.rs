//! What lies where: the tree of Wayland surfaces as a flat list of layers, bottom first.

use std::cell::RefCell;

use smithay::{
    reexports::wayland_server::{
        Resource,
        backend::ObjectId,
        protocol::{wl_buffer::WlBuffer, wl_shm, wl_surface::WlSurface},
    },
    wayland::{
        compositor::{
            BufferAssignment, Damage as SurfaceDamage, RectangleKind, SubsurfaceCachedState,
            SurfaceAttributes, SurfaceData, TraversalAction, with_states, with_surface_tree_upward,
        },
        presentation::{PresentationFeedbackCachedState, PresentationFeedbackCallback},
        shm::with_buffer_contents,
        single_pixel_buffer::get_single_pixel_buffer,
        viewporter::ViewportCachedState,
    },
};

use super::draw::{self, Changed, Pixels, Placement};
use crate::{
    media::{Damage, Rect},
    units::Size,
};

/// What a surface shows, kept with it from commit to commit.
#[derive(Default)]
struct Content {
    /// Held until the client attaches another, so that any part can be drawn again at any time.
    buffer: Option<Buffer>,
    /// In buffer pixels, since the surface was last drawn.
    damage: Vec<[f64; 4]>,
}

struct Buffer {
    wl: WlBuffer,
    size: Size,
    opaque: bool,
}

/// Beyond this many rectangles in one picture, all of the surface counts as damaged.
const MOST_DAMAGE: usize = 64;

/// Takes over what a commit brought. Returns the frame callbacks that came with it.
pub(super) fn commit(
    surface: &WlSurface,
) -> Vec<smithay::reexports::wayland_server::protocol::wl_callback::WlCallback> {
    with_states(surface, |states| {
        states.data_map.insert_if_missing(RefCell::<Content>::default);
        let mut cached = states.cached_state.get::<SurfaceAttributes>();
        let attributes = cached.current();
        if let Some(content) = states.data_map.get::<RefCell<Content>>() {
            content.borrow_mut().take_over(attributes);
        }
        std::mem::take(&mut attributes.frame_callbacks)
    })
}

impl Content {
    fn take_over(&mut self, attributes: &mut SurfaceAttributes) {
        match attributes.buffer.take() {
            Some(BufferAssignment::NewBuffer(wl)) => {
                self.release(Some(&wl));
                self.buffer = Buffer::inspect(wl, attributes);
            }
            Some(BufferAssignment::Removed) => self.release(None),
            None => {}
        }
        let scale = f64::from(attributes.buffer_scale);
        for damage in attributes.damage.drain(..) {
            let rect = match damage {
                SurfaceDamage::Buffer(rect) => {
                    [rect.loc.x, rect.loc.y, rect.size.w, rect.size.h].map(f64::from)
                }
                SurfaceDamage::Surface(rect) => [rect.loc.x, rect.loc.y, rect.size.w, rect.size.h]
                    .map(|value| f64::from(value) * scale),
            };
            self.damage.push(rect);
        }
        if self.damage.len() > MOST_DAMAGE {
            self.damage = vec![[0.0, 0.0, f64::from(u16::MAX), f64::from(u16::MAX)]];
        }
    }

    /// Gives the buffer back to the client, unless it is the one just attached again.
    fn release(&mut self, next: Option<&WlBuffer>) {
        if let Some(old) = self.buffer.take()
            && next != Some(&old.wl)
        {
            old.wl.release();
        }
    }
}

impl Buffer {
    fn inspect(wl: WlBuffer, attributes: &SurfaceAttributes) -> Option<Self> {
        if get_single_pixel_buffer(&wl).is_ok() {
            return Some(Self { wl, size: Size::new(1, 1), opaque: false });
        }
        let metadata = with_buffer_contents(&wl, |_, _, metadata| metadata).ok()?;
        let size =
            Size::new(u32::try_from(metadata.width).ok()?, u32::try_from(metadata.height).ok()?);
        let opaque = metadata.format == wl_shm::Format::Xrgb8888
            || covers(attributes, metadata.width, metadata.height);
        Some(Self { wl, size, opaque })
    }
}

/// Whether the client says that no pixel of the buffer is transparent.
fn covers(attributes: &SurfaceAttributes, width: i32, height: i32) -> bool {
    let scale = attributes.buffer_scale.max(1);
    attributes.opaque_region.as_ref().is_some_and(|region| {
        region.rects.iter().all(|(kind, _)| matches!(kind, RectangleKind::Add))
            && region.rects.iter().any(|(_, rect)| {
                rect.loc.x <= 0
                    && rect.loc.y <= 0
                    && (rect.loc.x + rect.size.w) * scale >= width
                    && (rect.loc.y + rect.size.h) * scale >= height
            })
    })
}

/// One surface with something to show.
struct Layer {
    surface: WlSurface,
    placement: Placement,
    buffer: WlBuffer,
    buffer_size: Size,
    opaque: bool,
}

/// What was drawn last, to see what moved, came or went.
#[derive(Default)]
pub(super) struct Scene {
    drawn: Vec<(ObjectId, Placement)>,
}

impl Scene {
    /// Draws what changed under these roots (toplevel first, then popups, each at its place on the
    /// output) and returns where; `None` when there was nothing to draw. `presented` gets those who
    /// want to know that they were seen.
    pub(super) fn draw(
        &mut self,
        roots: &[(WlSurface, (i32, i32))],
        output: &mut [u8],
        size: Size,
        presented: &mut Vec<PresentationFeedbackCallback>,
    ) -> Option<Changed> {
        let mut layers = Vec::new();
        let mut damage = Damage::none();
        for (root, place) in roots {
            collect(root, *place, size, &mut layers, &mut damage, presented);
        }
        let now: Vec<_> =
            layers.iter().map(|layer| (layer.surface.id(), layer.placement)).collect();
        if now != self.drawn {
            let moved = self.drawn.iter().filter(|old| !now.contains(old));
            let arrived = now.iter().filter(|new| !self.drawn.contains(new));
            for (_, placement) in moved.chain(arrived) {
                if let Some(rect) = placement.visible(size) {
                    damage.add(rect);
                }
            }
            self.drawn = now;
        }
        let mut changed = Changed::default();
        for &rect in damage.rects() {
            draw_part(&layers, rect, output, size, &mut changed);
        }
        (!damage.is_empty()).then_some(changed)
    }
}

fn collect(
    root: &WlSurface,
    place: (i32, i32),
    output: Size,
    layers: &mut Vec<Layer>,
    damage: &mut Damage,
    presented: &mut Vec<PresentationFeedbackCallback>,
) {
    // Where a surface lies is asked twice in one traversal: on the way down for its children, and
    // at its turn for itself.
    let position = |states: &SurfaceData, parent: &(i32, i32)| {
        if states.role == Some("subsurface") {
            let location = states.cached_state.get::<SubsurfaceCachedState>().current().location;
            (parent.0.saturating_add(location.x), parent.1.saturating_add(location.y))
        } else {
            *parent
        }
    };
    with_surface_tree_upward(
        root,
        place,
        |_, states, parent| TraversalAction::DoChildren(position(states, parent)),
        |surface, states, parent| {
            let mut feedback = states.cached_state.get::<PresentationFeedbackCachedState>();
            presented.append(&mut feedback.current().callbacks);
            let Some(content) = states.data_map.get::<RefCell<Content>>() else {
                return;
            };
            let mut content = content.borrow_mut();
            let changed = std::mem::take(&mut content.damage);
            let Some(buffer) = &content.buffer else {
                return;
            };
            let Some(placement) = placement(states, buffer.size, position(states, parent)) else {
                return;
            };
            for rect in changed.iter().filter_map(|rect| placement.to_output(*rect, output)) {
                damage.add(rect);
            }
            layers.push(Layer {
                surface: surface.clone(),
                placement,
                buffer: buffer.wl.clone(),
                buffer_size: buffer.size,
                opaque: buffer.opaque,
            });
        },
        |_, _, _| true,
    );
}

/// How a surface's buffer lies on the output; `None` when it has no size.
fn placement(states: &SurfaceData, buffer: Size, (x, y): (i32, i32)) -> Option<Placement> {
    let scale = f64::from(states.cached_state.get::<SurfaceAttributes>().current().buffer_scale);
    let viewport = *states.cached_state.get::<ViewportCachedState>().current();
    let whole = [0.0, 0.0, f64::from(buffer.width), f64::from(buffer.height)];
    let source = viewport.src.map_or(whole, |src| {
        [src.loc.x, src.loc.y, src.size.w, src.size.h].map(|value| value * scale)
    });
    let side = |length: i32| u32::try_from(length).ok().filter(|&length| length > 0);
    let target = match viewport.size() {
        Some(size) => Size::new(side(size.w)?, side(size.h)?),
        None => {
            let scale = u32::try_from(
                states.cached_state.get::<SurfaceAttributes>().current().buffer_scale.max(1),
            )
            .ok()?;
            Size::new(buffer.width / scale, buffer.height / scale)
        }
    };
    (target.width > 0 && target.height > 0).then_some(Placement { source, target: (x, y, target) })
}

fn draw_part(layers: &[Layer], rect: Rect, output: &mut [u8], size: Size, changed: &mut Changed) {
    let covers = |layer: &Layer| {
        layer.opaque
            && layer.placement.visible(size).is_some_and(|visible| visible.union(rect) == visible)
    };
    // Nothing below the last layer that hides everything needs drawing.
    let lowest = layers.iter().rposition(covers);
    if lowest.is_none() {
        draw::clear(output, size, rect);
    }
    let parts: Vec<_> = layers[lowest.unwrap_or(0)..]
        .iter()
        .filter_map(|layer| {
            Some((layer, layer.placement.visible(size).and_then(|at| at.intersection(rect))?))
        })
        .collect();
    // Of several layers, none alone says what is seen.
    let mut compare = lowest.is_some() && parts.len() == 1;
    for (layer, part) in parts {
        if let Ok(single) = get_single_pixel_buffer(&layer.buffer) {
            draw::fill(output, size, part, single_pixel(single));
            compare = false;
            continue;
        }
        let drawn = with_buffer_contents(&layer.buffer, |bytes, length, metadata| {
            let offset = usize::try_from(metadata.offset).unwrap_or(usize::MAX);
            // SAFETY: smithay maps the client's pool and gives its start and length for the time of
            // this call; a client that shrinks the file is caught by smithay's SIGBUS handler. A
            // client that writes meanwhile spoils its own picture: any byte is a valid pixel.
            let bytes = unsafe { std::slice::from_raw_parts(bytes, length) };
            let pixels = Pixels {
                bytes: bytes.get(offset..).unwrap_or_default(),
                size: layer.buffer_size,
                stride: usize::try_from(metadata.stride).unwrap_or(0),
            };
            compare =
                compare && draw::replace(output, size, part, pixels, &layer.placement, changed);
            if !compare {
                draw::blit(output, size, part, pixels, &layer.placement, layer.opaque);
            }
        });
        if let Err(error) = drawn {
            tracing::debug!(%error, "reading a client's buffer");
        }
    }
    if !compare {
        changed.add(rect);
    }
}

/// The protocol gives 32 bits for each channel; the upper 8 are what a screen shows.
fn single_pixel(
    pixel: &smithay::wayland::single_pixel_buffer::SinglePixelBufferUserData,
) -> [u8; 4] {
    [pixel.b, pixel.g, pixel.r, pixel.a].map(|channel| channel.to_be_bytes()[0])
}
