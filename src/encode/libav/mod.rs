//! The one place where libav is talked to by pointer: what its safe interface does not reach.

pub(super) mod hardware;
pub(super) mod log;
pub(super) mod options;
pub(super) mod planes;

use std::ffi::CStr;

use ffmpeg_next::ffi;

/// Of the FFmpeg that it is part of.
pub(super) fn version() -> String {
    // SAFETY: it takes nothing, and what it gives lives for ever.
    let version = unsafe { ffi::av_version_info() };
    if version.is_null() {
        return String::new();
    }
    // SAFETY: a text that ends with a zero.
    unsafe { CStr::from_ptr(version) }.to_string_lossy().into_owned()
}
