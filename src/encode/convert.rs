//! BGRA to NV12: BT.709, limited range, changed rows only.
//!
//! Whole rows, because the vector code ends each row with other code that rounds differently: a
//! converted rectangle would differ by a faint seam from the same pixels in a converted row.
//!
//! Why on the CPU, also for a GPU that encodes: Chromium draws into shared memory, for its sandbox has no
//! devices. A page that the same GPU drew could stay there. The compositor would offer
//! `zwp_linux_dmabuf_v1` with the formats of the encoder's node; a picture would be a DRM object
//! (`AV_PIX_FMT_DRM_PRIME`) in the place of [`Picture`](super::picture::Picture); libavutil would map it to
//! a VA surface and `scale_vaapi` make NV12 of that. It is not done: it takes the node into the sandbox of
//! the browser, where strangers' scripts run; the free one of Intel's drivers, which Debian installs, has no
//! video processing that could convert; and what changes on a dashboard is converted in a tenth of a
//! millisecond (`benches/gpu`). Nothing of it can be run without such a GPU.

use std::ops::Range;

use thiserror::Error;
use yuv::{
    BufferStoreMut, YuvBiPlanarImageMut, YuvConversionMode, YuvError, YuvRange, YuvStandardMatrix,
    bgra_to_yuv_nv12,
};

use crate::{media::Damage, units::Size};

/// Why pixels could not be converted: the buffers do not fit the size. A bug of ours.
#[derive(Debug, Error)]
#[error("converting {size} pixels to NV12: {cause}")]
pub struct ConvertError {
    size: Size,
    cause: String,
}

/// The two planes of an NV12 picture somewhere in memory.
#[derive(Debug)]
pub struct Nv12Mut<'a> {
    pub luma: &'a mut [u8],
    pub luma_stride: usize,
    pub chroma: &'a mut [u8],
    pub chroma_stride: usize,
}

/// Converts into the same NV12 picture again and again, so that only what changed is touched.
///
/// The `yuv` crate does the arithmetic: it picks AVX2 or SSE4.1 at run time.
#[derive(Clone, Copy, Debug)]
pub struct Converter {
    size: Size,
}

impl Converter {
    pub const fn new(size: Size) -> Self {
        Self { size }
    }

    /// Brings `picture` up to date with `pixels` (BGRA, rows without padding) where it is damaged.
    ///
    /// # Errors
    /// The buffers are smaller than the size says.
    pub fn update(
        &self,
        pixels: &[u8],
        damage: &Damage,
        picture: &mut Nv12Mut<'_>,
    ) -> Result<(), ConvertError> {
        damage
            .even_rows(self.size.height)
            .into_iter()
            .try_for_each(|rows| self.update_rows(pixels, rows, picture))
    }

    pub(super) fn fails(&self, cause: impl Into<String>) -> ConvertError {
        ConvertError { size: self.size, cause: cause.into() }
    }

    fn update_rows(
        &self,
        pixels: &[u8],
        rows: Range<u32>,
        picture: &mut Nv12Mut<'_>,
    ) -> Result<(), ConvertError> {
        let short = || self.fails("a buffer is too short");
        let stride = self.size.width as usize * 4;
        let (from, to) = (rows.start as usize, rows.end as usize);
        let source = pixels.get(from * stride..to * stride).ok_or_else(short)?;
        let (luma_stride, chroma_stride) = (picture.luma_stride, picture.chroma_stride);
        let luma = picture.luma.get_mut(from * luma_stride..to * luma_stride).ok_or_else(short)?;
        let chroma = picture
            .chroma
            .get_mut(from / 2 * chroma_stride..to / 2 * chroma_stride)
            .ok_or_else(short)?;
        let narrow = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        let mut target = YuvBiPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(luma),
            y_stride: narrow(luma_stride),
            uv_plane: BufferStoreMut::Borrowed(chroma),
            uv_stride: narrow(chroma_stride),
            width: self.size.width,
            height: rows.end - rows.start,
        };
        bgra_to_yuv_nv12(
            &mut target,
            source,
            narrow(stride),
            YuvRange::Limited,
            YuvStandardMatrix::Bt709,
            // A fifth slower than the faster one, which shows on still text: what 4:2:0 can hold is little
            // more than what this leaves of it.
            YuvConversionMode::Professional,
        )
        .map_err(|error: YuvError| self.fails(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::media::Rect;

    const SIZE: Size = Size::new(192, 32);

    struct Picture {
        luma: Vec<u8>,
        chroma: Vec<u8>,
    }

    impl Picture {
        fn new() -> Self {
            Self { luma: vec![0; SIZE.pixels()], chroma: vec![0; SIZE.pixels() / 2] }
        }

        fn update(&mut self, pixels: &[u8], damage: &Damage) {
            let mut picture = Nv12Mut {
                luma: &mut self.luma,
                luma_stride: 192,
                chroma: &mut self.chroma,
                chroma_stride: 192,
            };
            Converter::new(SIZE).update(pixels, damage, &mut picture).unwrap();
        }
    }

    fn solid(bgra: [u8; 4]) -> Vec<u8> {
        bgra.repeat(SIZE.pixels())
    }

    #[track_caller]
    fn assert_near(actual: u8, expected: u8) {
        assert!(actual.abs_diff(expected) <= 1, "{actual} is not {expected}");
    }

    #[test]
    fn primaries_have_the_values_of_bt_709_limited_range() {
        // ITU-R BT.709-6, 3.4 and 4.6, for 8 bits: luma 16 to 235, colour difference around 128.
        for (bgra, luma, cb, cr) in [
            ([0, 0, 0, 255], 16, 128, 128),
            ([255, 255, 255, 255], 235, 128, 128),
            ([0, 0, 255, 255], 63, 102, 240),
            ([0, 255, 0, 255], 173, 42, 26),
            ([255, 0, 0, 255], 32, 240, 118),
        ] {
            let mut picture = Picture::new();
            picture.update(&solid(bgra), &Damage::whole(SIZE));
            assert_near(picture.luma[0], luma);
            assert_near(*picture.luma.last().unwrap(), luma);
            assert_near(picture.chroma[0], cb);
            assert_near(picture.chroma[1], cr);
        }
    }

    #[test]
    fn buffers_that_are_too_short_are_refused() {
        let mut luma = vec![0; SIZE.pixels() - 1];
        let mut chroma = vec![0; SIZE.pixels() / 2];
        let mut picture =
            Nv12Mut { luma: &mut luma, luma_stride: 192, chroma: &mut chroma, chroma_stride: 192 };
        let pixels = solid([0; 4]);
        let whole = Damage::whole(SIZE);
        assert!(Converter::new(SIZE).update(&pixels, &whole, &mut picture).is_err());
    }

    proptest! {
        /// Small updates must add up to exactly what one large one gives.
        #[test]
        fn updating_parts_equals_converting_all(
            seed in any::<u64>(),
            rects in prop::collection::vec((0_u32..192, 0_u32..32, 1_u32..192, 1_u32..32), 1..6),
        ) {
            let mut state = seed | 1;
            let mut pixels = solid([30, 60, 90, 255]);
            let mut picture = Picture::new();
            picture.update(&pixels, &Damage::whole(SIZE));
            let mut damage = Damage::none();
            for (x, y, width, height) in rects {
                let rect = Rect::new(x, y, width.min(192 - x), height.min(32 - y));
                for y in rect.y..rect.bottom() {
                    for x in rect.x..rect.right() {
                        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                        let from = (y as usize * 192 + x as usize) * 4;
                        pixels[from..from + 3].copy_from_slice(&state.to_be_bytes()[..3]);
                    }
                }
                damage.add(rect);
            }
            picture.update(&pixels, &damage);
            let mut whole = Picture::new();
            whole.update(&pixels, &Damage::whole(SIZE));
            prop_assert_eq!(picture.luma, whole.luma);
            prop_assert_eq!(picture.chroma, whole.chroma);
        }
    }
}
