//! What libav and the drivers below it say while something is tried.
//!
//! Their error codes say little (`Input/output error`); their log says the rest.

use std::{
    collections::VecDeque,
    ffi::{CStr, c_char, c_int, c_void},
    sync::{Mutex, Once, PoisonError},
};

use ffmpeg_next::ffi;

/// The newest lines; older ones go.
static LINES: Mutex<VecDeque<Line>> = Mutex::new(VecDeque::new());
const MOST_LINES: usize = 64;
/// Of a line, the rest is cut off.
const LONGEST: usize = 512;
/// Lines that an error quotes: the first one is the cause, the later ones are its consequences.
const QUOTED: usize = 3;

#[derive(Debug)]
struct Line {
    level: c_int,
    text: String,
}

/// Listens from now on, and forgets what was said before.
pub(in crate::encode) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // It knows the names of its errors only afterwards, and cannot fail.
        let _ = ffmpeg_next::init();
        // SAFETY: the callback lives for ever and may be called from any thread.
        unsafe { ffi::av_log_set_callback(Some(hear)) };
    });
    lines().clear();
}

/// The errors since [`listen`], in one line; without any the last words.
pub(in crate::encode) fn errors() -> String {
    let lines = lines();
    let errors = lines.iter().filter(|line| line.level <= ffi::AV_LOG_ERROR);
    let mut quoted: Vec<&str> = Vec::new();
    for Line { text, .. } in errors {
        // Ways to set an encoder up fail alike.
        if quoted.len() < QUOTED && !quoted.contains(&text.as_str()) {
            quoted.push(text);
        }
    }
    if quoted.is_empty() {
        quoted.extend(lines.back().map(|line| line.text.as_str()));
    }
    quoted.join("; ")
}

/// What follows after these words since [`listen`].
pub(in crate::encode) fn after(words: &str) -> Option<String> {
    let lines = lines();
    let rest = lines.iter().find_map(|line| line.text.split_once(words))?.1;
    Some(rest.trim_end_matches('.').to_owned())
}

fn lines() -> std::sync::MutexGuard<'static, VecDeque<Line>> {
    // A panic cannot leave a line half kept.
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// libav's log callback. It is called while pictures are encoded, so what is not kept costs nothing.
unsafe extern "C" fn hear(
    class: *mut c_void,
    level: c_int,
    format: *const c_char,
    arguments: *mut ffi::__va_list_tag,
) {
    if level > ffi::AV_LOG_VERBOSE {
        return;
    }
    let mut line: [c_char; LONGEST] = [0; LONGEST];
    // No prefix with the address of what speaks.
    let mut prefix: c_int = 0;
    let length = c_int::try_from(line.len()).unwrap_or(c_int::MAX);
    // SAFETY: libav hands over a format and its arguments; the line is as long as it is said to be.
    unsafe {
        ffi::av_log_format_line2(
            class,
            level,
            format,
            arguments,
            line.as_mut_ptr(),
            length,
            &raw mut prefix,
        )
    };
    // SAFETY: the line ends with a zero wherever it was cut.
    let text = unsafe { CStr::from_ptr(line.as_ptr()) }.to_string_lossy();
    let text = text.trim();
    if text.is_empty() {
        return;
    }
    let mut lines = lines();
    if lines.len() == MOST_LINES {
        lines.pop_front();
    }
    lines.push_back(Line { level, text: text.to_owned() });
}
