//! The picture that an encoder is given again and again.

use ffmpeg_next::{format::Pixel, frame};

use super::{
    convert::{ConvertError, Converter},
    libav::planes::nv12_mut,
};
use crate::{media::Damage, units::Size};

/// An NV12 picture that follows the screen.
pub(super) struct Picture {
    converter: Converter,
    frame: frame::Video,
    /// It has changed since it was last asked.
    changed: bool,
}

impl Picture {
    /// A black one, so that nothing undefined is ever encoded. `None` when there is no memory.
    pub(super) fn new(size: Size) -> Option<Self> {
        let mut frame = frame::Video::new(Pixel::NV12, size.width, size.height);
        let planes = nv12_mut(&mut frame)?;
        planes.luma.fill(16);
        planes.chroma.fill(128);
        Some(Self { converter: Converter::new(size), frame, changed: true })
    }

    /// Brings it up to date where the screen's pixels are damaged.
    ///
    /// # Errors
    /// The pixels are not of its size.
    pub(super) fn update(&mut self, pixels: &[u8], damage: &Damage) -> Result<(), ConvertError> {
        self.changed |= !damage.is_empty();
        let planes = nv12_mut(&mut self.frame);
        let mut planes = planes.ok_or_else(|| self.converter.fails("it has no planes"))?;
        self.converter.update(pixels, damage, &mut planes)
    }

    pub(super) const fn frame_mut(&mut self) -> &mut frame::Video {
        &mut self.frame
    }

    /// Whether it changed since the last call.
    pub(super) const fn take_changed(&mut self) -> bool {
        std::mem::replace(&mut self.changed, false)
    }

    /// Its luma, row by row, without padding.
    pub(super) fn luma(&self) -> Vec<u8> {
        luma(&self.frame)
    }
}

/// A picture's luma, row by row, without padding.
pub(super) fn luma(frame: &frame::Video) -> Vec<u8> {
    let (width, stride) = (frame.width() as usize, frame.stride(0).max(1));
    let rows = frame.data(0).chunks(stride).take(frame.height() as usize);
    rows.flat_map(|row| row.iter().take(width)).copied().collect()
}
