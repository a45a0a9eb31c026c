//! A GPU's media engine as libavutil sees it: the device, and surfaces in its memory.

use std::{ffi::CString, os::unix::ffi::OsStrExt, path::Path, ptr};

use ffmpeg_next::{self as ffmpeg, Dictionary, encoder::video::Video, ffi, frame};

use crate::{
    session::{Api, VaDriver},
    units::Size,
};

/// Surfaces that can be in use at once: the one that is filled, and those an encoder still reads.
const SURFACES: i32 = 8;

/// At which step a GPU could not be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceStage {
    /// libva, with a driver for the node.
    Display,
    /// A QuickSync session on that.
    Session,
    /// Memory for pictures.
    Surfaces,
}

/// A reference to something of libavutil that counts its users.
#[derive(Debug)]
struct Shared(ptr::NonNull<ffi::AVBufferRef>);

// SAFETY: libavutil counts references atomically, and a device is used by one thread at a time here.
unsafe impl Send for Shared {}

impl Shared {
    fn take(pointer: *mut ffi::AVBufferRef, outcome: i32) -> Result<Self, ffmpeg::Error> {
        match ptr::NonNull::new(pointer) {
            Some(pointer) if outcome >= 0 => Ok(Self(pointer)),
            _ if outcome < 0 => Err(outcome.into()),
            _ => Err(out_of_memory()),
        }
    }

    const fn as_ptr(&self) -> *mut ffi::AVBufferRef {
        self.0.as_ptr()
    }

    /// Another reference to the same.
    fn again(&self) -> Result<Self, ffmpeg::Error> {
        // SAFETY: the reference that is copied lives.
        Self::take(unsafe { ffi::av_buffer_ref(self.as_ptr()) }, 0)
    }

    /// Leaves the reference to libav, which frees it with what it is put into.
    fn leak(self) -> *mut ffi::AVBufferRef {
        std::mem::ManuallyDrop::new(self).0.as_ptr()
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut pointer = self.0.as_ptr();
        // SAFETY: this reference is ours and nobody uses it afterwards.
        unsafe { ffi::av_buffer_unref(&raw mut pointer) };
    }
}

const fn out_of_memory() -> ffmpeg::Error {
    ffmpeg::Error::Other { errno: ffmpeg::error::ENOMEM }
}

/// Surfaces on a device, which they keep open.
///
/// QuickSync takes those of VA-API as they are. It could be asked for its own, but to copy a picture
/// there it wants video processing, which Debian's driver does not have.
#[derive(Debug)]
pub(in crate::encode) struct Surfaces {
    surfaces: Shared,
    /// The same, as QuickSync sees them.
    mapped: Option<Shared>,
}

impl Surfaces {
    /// Opens a render node and makes NV12 surfaces of this size there.
    ///
    /// # Errors
    /// The step that failed, with libav's code.
    pub(in crate::encode) fn open(
        api: Api,
        node: &Path,
        driver: Option<VaDriver>,
        size: Size,
    ) -> Result<Self, (DeviceStage, ffmpeg::Error)> {
        let display = display(node, driver).map_err(|cause| (DeviceStage::Display, cause))?;
        let session = match api {
            Api::Vaapi => None,
            Api::Qsv => Some(session(&display).map_err(|cause| (DeviceStage::Session, cause))?),
        };
        let failed = |cause| (DeviceStage::Surfaces, cause);
        let surfaces = surfaces(&display, size).map_err(failed)?;
        let mapped =
            session.map(|session| seen_by(&session, &surfaces)).transpose().map_err(failed)?;
        Ok(Self { surfaces, mapped })
    }

    const fn format(&self) -> ffi::AVPixelFormat {
        match self.mapped {
            Some(_) => ffi::AVPixelFormat::AV_PIX_FMT_QSV,
            None => ffi::AVPixelFormat::AV_PIX_FMT_VAAPI,
        }
    }

    /// What an encoder takes its pictures from.
    fn source(&self) -> &Shared {
        self.mapped.as_ref().unwrap_or(&self.surfaces)
    }

    /// Has an encoder that is not open yet take its pictures from here.
    ///
    /// # Errors
    /// There is no memory.
    pub(in crate::encode) fn attach(&self, video: &mut Video) -> Result<(), ffmpeg::Error> {
        let source = self.source().again()?;
        // SAFETY: the pointer is not kept.
        let context = unsafe { video.as_mut_ptr() };
        // SAFETY: the context lives as long as `video`, and nobody else has it.
        let context = unsafe { &mut *context };
        // It frees the reference with itself.
        context.hw_frames_ctx = source.leak();
        context.pix_fmt = self.format();
        context.sw_pix_fmt = ffi::AVPixelFormat::AV_PIX_FMT_NV12;
        Ok(())
    }

    /// Copies a picture to a surface.
    ///
    /// # Errors
    /// The driver refuses.
    pub(in crate::encode) fn upload(
        &self,
        picture: &frame::Video,
    ) -> Result<frame::Video, ffmpeg::Error> {
        let mut surface = frame::Video::empty();
        // SAFETY: the pointer is not kept beyond this function.
        let target = unsafe { surface.as_mut_ptr() };
        // SAFETY: an empty frame and surfaces that live.
        check(unsafe { ffi::av_hwframe_get_buffer(self.surfaces.as_ptr(), target, 0) })?;
        // SAFETY: the pointer is not kept.
        let source = unsafe { picture.as_ptr() };
        // SAFETY: both frames are whole and of one size.
        check(unsafe { ffi::av_hwframe_transfer_data(target, source, 0) })?;
        match &self.mapped {
            Some(mapped) => map(&surface, mapped),
            None => Ok(surface),
        }
    }
}

/// A surface as QuickSync sees it; it keeps the surface.
fn map(surface: &frame::Video, mapped: &Shared) -> Result<frame::Video, ffmpeg::Error> {
    let frames = mapped.again()?;
    let mut seen = frame::Video::empty();
    // SAFETY: the pointer is not kept beyond this function.
    let target = unsafe { seen.as_mut_ptr() };
    // SAFETY: the frame is whole, and nobody else has it.
    let fields = unsafe { &mut *target };
    fields.format = ffi::AVPixelFormat::AV_PIX_FMT_QSV as i32;
    // The frame frees the reference with itself.
    fields.hw_frames_ctx = frames.leak();
    // SAFETY: the pointer is not kept.
    let source = unsafe { surface.as_ptr() };
    let read = ffi::AV_HWFRAME_MAP_READ as i32;
    // SAFETY: a frame of the surfaces that were derived from, and one that says into what.
    check(unsafe { ffi::av_hwframe_map(target, source, read) })?;
    Ok(seen)
}

fn check(outcome: i32) -> Result<(), ffmpeg::Error> {
    if outcome < 0 { Err(outcome.into()) } else { Ok(()) }
}

fn display(node: &Path, driver: Option<VaDriver>) -> Result<Shared, ffmpeg::Error> {
    let Ok(node) = CString::new(node.as_os_str().as_bytes()) else {
        return Err(ffmpeg::Error::InvalidData);
    };
    let mut options = Dictionary::new();
    if let Some(driver) = driver {
        // Not by LIBVA_DRIVER_NAME: the environment is the user's.
        options.set("driver", driver.name());
    }
    let mut device = ptr::null_mut();
    // SAFETY: the dictionary lives to the end of this function, and is only read.
    let options = unsafe { options.as_mut_ptr() };
    // SAFETY: all arguments outlive the call.
    let outcome = unsafe {
        ffi::av_hwdevice_ctx_create(
            &raw mut device,
            ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_VAAPI,
            node.as_ptr(),
            options,
            0,
        )
    };
    Shared::take(device, outcome)
}

fn session(display: &Shared) -> Result<Shared, ffmpeg::Error> {
    let mut device = ptr::null_mut();
    let qsv = ffi::AVHWDeviceType::AV_HWDEVICE_TYPE_QSV;
    // SAFETY: the display lives; the session takes a reference of its own.
    let outcome =
        unsafe { ffi::av_hwdevice_ctx_create_derived(&raw mut device, qsv, display.as_ptr(), 0) };
    Shared::take(device, outcome)
}

fn surfaces(display: &Shared, size: Size) -> Result<Shared, ffmpeg::Error> {
    // SAFETY: the device lives; the surfaces take a reference of their own.
    let surfaces = unsafe { ffi::av_hwframe_ctx_alloc(display.as_ptr()) };
    let surfaces = Shared::take(surfaces, 0)?;
    // SAFETY: the reference is whole.
    let data = unsafe { (*surfaces.as_ptr()).data };
    let (Ok(width), Ok(height)) = (i32::try_from(size.width), i32::try_from(size.height)) else {
        return Err(ffmpeg::Error::InvalidData);
    };
    // SAFETY: libavutil made it for this device, and nobody else knows it yet.
    let context = unsafe { &mut *data.cast::<ffi::AVHWFramesContext>() };
    context.format = ffi::AVPixelFormat::AV_PIX_FMT_VAAPI;
    context.sw_format = ffi::AVPixelFormat::AV_PIX_FMT_NV12;
    context.width = width;
    context.height = height;
    // All of them at once, or QuickSync cannot know them.
    context.initial_pool_size = SURFACES;
    // SAFETY: everything that it needs is set.
    check(unsafe { ffi::av_hwframe_ctx_init(surfaces.as_ptr()) })?;
    Ok(surfaces)
}

fn seen_by(session: &Shared, surfaces: &Shared) -> Result<Shared, ffmpeg::Error> {
    let mut derived = ptr::null_mut();
    let flags = ffi::AV_HWFRAME_MAP_DIRECT as i32;
    // SAFETY: all arguments live; what is derived takes references of its own.
    let outcome = unsafe {
        ffi::av_hwframe_ctx_create_derived(
            &raw mut derived,
            ffi::AVPixelFormat::AV_PIX_FMT_QSV,
            session.as_ptr(),
            surfaces.as_ptr(),
            flags,
        )
    };
    Shared::take(derived, outcome)
}
