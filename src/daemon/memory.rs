//! Memory that is given back.

use std::ffi::c_int;

/// What is at least as large, in bytes, is given back to the kernel as soon as it is freed: a segment mostly is.
const LARGE: c_int = 128 * 1024;

/// Has what is large be given back when it is freed. By itself glibc raises this bound to the largest that was ever
/// freed (`mallopt(3)`, `M_MMAP_THRESHOLD`): segments then lie among small and lasting things, and what one of some
/// size leaves does not serve the next. The daemon of a stream that had ended kept three times as much as with this.
///
/// For a process with one thread.
pub fn give_back_what_is_large() {
    // SAFETY: it takes two numbers, and no other thread allocates meanwhile.
    let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE) };
    if done == 0 {
        tracing::debug!("malloc keeps to its own bound");
    }
}
