//! The planes of a picture.

use ffmpeg_next::frame;

use crate::encode::convert::Nv12Mut;

/// Both planes of an NV12 frame at once, which the safe interface hands out one at a time only.
/// `None` when the frame has no buffer or is of another format.
pub(in crate::encode) fn nv12_mut(frame: &mut frame::Video) -> Option<Nv12Mut<'_>> {
    if frame.format() != ffmpeg_next::format::Pixel::NV12 || frame.planes() < 2 {
        return None;
    }
    let (luma_stride, chroma_stride) = (frame.stride(0), frame.stride(1));
    let rows = frame.height() as usize;
    let luma = frame.data_mut(0).as_mut_ptr();
    let chroma = frame.data_mut(1).as_mut_ptr();
    // SAFETY: libavutil allocated `rows` rows of `luma_stride` bytes for the first plane of an NV12
    // frame; the result borrows the frame mutably, so nobody else writes to it.
    let luma = unsafe { std::slice::from_raw_parts_mut(luma, luma_stride * rows) };
    // SAFETY: the second plane has half the rows and does not overlap the first.
    let chroma =
        unsafe { std::slice::from_raw_parts_mut(chroma, chroma_stride * rows.div_ceil(2)) };
    Some(Nv12Mut { luma, luma_stride, chroma, chroma_stride })
}
