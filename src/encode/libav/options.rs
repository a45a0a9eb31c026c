//! Options of an encoder, each of which must exist.

use std::ffi::CString;

use ffmpeg_next::{self as ffmpeg, encoder::video::Video, ffi};

/// Sets an option of the encoder itself or of what all encoders have in common.
///
/// A dictionary given to `avcodec_open2` would keep silent about what no encoder knows.
///
/// # Errors
/// There is no such option, or the value is none of its values.
pub(in crate::encode) fn set(
    video: &mut Video,
    name: &str,
    value: &str,
) -> Result<(), ffmpeg::Error> {
    let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) else {
        return Err(ffmpeg::Error::InvalidData);
    };
    // SAFETY: the pointer is not kept, and the context lives as long as `video`.
    let context = unsafe { video.as_mut_ptr() };
    // SAFETY: a codec context begins with its class, as options want it; the strings outlive the call.
    let outcome = unsafe {
        ffi::av_opt_set(context.cast(), name.as_ptr(), value.as_ptr(), ffi::AV_OPT_SEARCH_CHILDREN)
    };
    if outcome < 0 { Err(outcome.into()) } else { Ok(()) }
}
