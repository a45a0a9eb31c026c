//! A machine with an Intel GPU, for programs that run on this one, which need not have any.
//!
//! What is real: FFmpeg's `h264_qsv` and `h264_vaapi`, QuickSync's runtime (libmfx or libvpl), libva and
//! Intel's driver, as Debian has them. What is not, and is preloaded below them (see `tests/gpu/rig`):
//! the kernel's i915, which is Mesa's shim that accepts everything and does nothing; `/sys` and `/dev/dri`,
//! which are files that umockdev shows in their place; and the pictures that come out of the encoder.
//!
//! A program on the rig sees nothing else of `/sys`. What does its system calls without the C library,
//! as rustix does, is not on the rig.

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, OnceLock, PoisonError},
};

use dashboard_cast::{
    encode::{self, Encoder, Pattern},
    media::{Damage, MediaTime},
    session::Encoding,
};
use tempfile::TempDir;

/// GPUs that the rig can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    Skylake,
    KabyLake,
    CoffeeLake,
    TigerLake,
    AlderLake,
    Dg2,
}

impl Platform {
    /// Those that Debian's QuickSync runtime of this release drives: on Debian 12 that of Gen 9 (the
    /// driver crashes on the rig as anything later), on Debian 13 that of Gen 12.
    pub(crate) fn with_quicksync() -> &'static [Self] {
        if Path::new("/usr/lib/x86_64-linux-gnu/libmfxhw64.so.1").exists() {
            &[Self::CoffeeLake, Self::KabyLake, Self::Skylake]
        } else {
            &[Self::TigerLake, Self::AlderLake, Self::Dg2]
        }
    }

    /// What Mesa calls it.
    const fn name(self) -> &'static str {
        match self {
            Self::Skylake => "skl",
            Self::KabyLake => "kbl",
            Self::CoffeeLake => "cfl",
            Self::TigerLake => "tgl",
            Self::AlderLake => "adl",
            Self::Dg2 => "dg2",
        }
    }

    /// The PCI device that Mesa's shim says it is: QuickSync's runtime takes no GPU that sysfs and the
    /// driver do not agree on.
    const fn device(self) -> u16 {
        match self {
            Self::Skylake => 0x1912,
            Self::KabyLake => 0x5912,
            Self::CoffeeLake => 0x3e9b,
            Self::TigerLake => 0x9a49,
            Self::AlderLake => 0x4680,
            Self::Dg2 => 0x5690,
        }
    }
}

/// The machine: a directory, and what a program needs to take it for its own.
#[derive(Debug)]
pub(crate) struct Rig {
    directory: TempDir,
    platform: Platform,
    number: u32,
    huc: bool,
}

const FIRST_NODE: u32 = 128;

impl Rig {
    /// One GPU with everything that it needs, on `/dev/dri/renderD128`, which encodes 1920x1080.
    #[track_caller]
    pub(crate) fn new() -> Self {
        let rig = Self {
            directory: tempfile::tempdir().expect("making a directory"),
            platform: Platform::with_quicksync()[0],
            number: FIRST_NODE,
            huc: true,
        };
        for directory in ["pictures", "garbage"] {
            fs::create_dir(rig.path(directory)).expect("making a directory");
        }
        rig.plug_in();
        rig.size("1920x1080")
    }

    /// As this GPU.
    #[track_caller]
    pub(crate) fn platform(mut self, platform: Platform) -> Self {
        self.platform = platform;
        self.plug_in();
        self
    }

    /// On `/dev/dri/renderD{number}`; lower numbers are those of other makers' GPUs, which do not work.
    #[track_caller]
    pub(crate) fn at(mut self, number: u32) -> Self {
        self.number = number;
        self.plug_in();
        self
    }

    /// Without the firmware that keeps a bit rate.
    pub(crate) fn without_huc(mut self) -> Self {
        self.huc = false;
        self
    }

    /// Encoding this size as well.
    #[track_caller]
    pub(crate) fn size(self, size: &str) -> Self {
        self.show(size, &usual_pictures(size));
        let garbage = self.path("garbage").join(format!("{size}.h264"));
        symlink(garbage_pictures(size), garbage).expect("linking pictures");
        self
    }

    /// Encoders of this size write what is in `file`: Annex B, an IDR picture, then pictures that are
    /// none. Processes that encode already go on with what they had.
    #[track_caller]
    pub(crate) fn show(&self, size: &str, file: &Path) {
        let name = self.path("pictures").join(format!("{size}.h264"));
        let new = self.path("new-pictures");
        symlink(file, &new).expect("linking pictures");
        fs::rename(new, name).expect("replacing pictures");
    }

    /// What happens to pictures from the next on, such as `fail` or `qsv:hang`; see
    /// `tests/gpu/rig/pictures.c`. Nothing stands for nothing.
    #[track_caller]
    pub(crate) fn set(&self, words: &str) {
        let new = self.path("new-control");
        fs::write(&new, format!("{words}\n")).expect("writing what is to happen");
        // It is read at any time, and must never be found half written.
        fs::rename(new, self.path("control")).expect("saying what is to happen");
    }

    /// Takes the render node away.
    #[track_caller]
    pub(crate) fn unplug(&self) {
        fs::remove_file(self.machine(&self.node())).expect("removing the render node");
    }

    /// Puts it back, as another file.
    #[track_caller]
    pub(crate) fn replug(&self) {
        make_node(&self.machine(&self.node()));
    }

    /// Where the machine's `/sys` and `/dev` are, for who looks at them without being on the rig. The
    /// nodes are plain files there.
    pub(crate) fn root(&self) -> PathBuf {
        self.path("machine")
    }

    /// Where programs on the rig find the GPU.
    pub(crate) fn node(&self) -> PathBuf {
        PathBuf::from(format!("/dev/dri/renderD{}", self.number))
    }

    /// `program`, and what it starts, on the rig.
    #[track_caller]
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        self.carry(&mut command);
        command
    }

    /// Puts a program that is to be started on the rig.
    #[track_caller]
    pub(crate) fn carry(&self, command: &mut Command) {
        let libraries = libraries();
        // They call one another in this order.
        let preloaded = [
            libraries.join("pictures.so"),
            libraries.join("engines.so"),
            libraries.join("libintel_noop_drm_shim.so"),
            PathBuf::from("libumockdev-preload.so.0"),
        ];
        let preloaded = preloaded.map(|library| library.display().to_string()).join(":");
        command
            .env("LD_PRELOAD", preloaded)
            .env("UMOCKDEV_DIR", self.path("machine"))
            .env("INTEL_STUB_GPU_PLATFORM", self.platform.name())
            .env("RIG_NODE", self.node())
            .env("RIG_HUC", if self.huc { "1" } else { "0" })
            .env("RIG_PICTURES", self.path("pictures"))
            .env("RIG_GARBAGE", self.path("garbage"))
            .env("RIG_CONTROL", self.path("control"))
            .env_remove("LIBVA_DRIVER_NAME")
            .env_remove("LIBVA_DRIVERS_PATH");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where that is which a program on the rig finds at `path`.
    fn machine(&self, path: &Path) -> PathBuf {
        self.path("machine").join(path.strip_prefix("/").expect("an absolute path"))
    }

    /// The machine's /sys and /dev, anew.
    #[track_caller]
    fn plug_in(&self) {
        let machine = self.path("machine");
        if machine.exists() {
            fs::remove_dir_all(&machine).expect("removing the machine as it was");
        }
        for number in FIRST_NODE..self.number {
            let slot = format!("0000:{:02x}:00.0", number - FIRST_NODE + 1);
            Gpu { slot: &slot, vendor: 0x1002, device: 0x73df, driver: "amdgpu", number }
                .plug_into(&machine);
        }
        let (device, number) = (self.platform.device(), self.number);
        Gpu { slot: "0000:00:02.0", vendor: 0x8086, device, driver: "i915", number }
            .plug_into(&machine);
    }
}

/// What the kernel says of a GPU.
struct Gpu<'a> {
    slot: &'a str,
    vendor: u16,
    device: u16,
    driver: &'a str,
    number: u32,
}

impl Gpu<'_> {
    #[track_caller]
    fn plug_into(&self, machine: &Path) {
        let Self { slot, vendor, device, driver, number } = self;
        let name = format!("renderD{number}");
        let file = |path: &str, content: &str| {
            let path = machine.join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("making a directory");
            fs::write(path, content).expect("writing a file of the machine");
        };
        let link = |path: &str, to: &str| {
            let path = machine.join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("making a directory");
            symlink(to, path).expect("linking a file of the machine");
        };

        let pci = format!("sys/devices/pci0000:00/{slot}");
        file(&format!("{pci}/vendor"), &format!("{vendor:#06x}\n"));
        file(&format!("{pci}/device"), &format!("{device:#06x}\n"));
        file(&format!("{pci}/class"), "0x030000\n");
        let id = format!("{vendor:04X}:{device:04X}");
        let uevent =
            format!("DRIVER={driver}\nPCI_CLASS=30000\nPCI_ID={id}\nPCI_SLOT_NAME={slot}\n");
        file(&format!("{pci}/uevent"), &uevent);
        fs::create_dir_all(machine.join(format!("sys/bus/pci/drivers/{driver}")))
            .expect("making a directory");
        link(&format!("{pci}/driver"), &format!("../../../bus/pci/drivers/{driver}"));
        link(&format!("{pci}/subsystem"), "../../../bus/pci");
        link(
            &format!("sys/bus/pci/devices/{slot}"),
            &format!("../../../devices/pci0000:00/{slot}"),
        );

        let drm = format!("{pci}/drm/{name}");
        file(&format!("{drm}/dev"), &format!("226:{number}\n"));
        let uevent = format!("MAJOR=226\nMINOR={number}\nDEVNAME=dri/{name}\nDEVTYPE=drm_minor\n");
        file(&format!("{drm}/uevent"), &uevent);
        link(&format!("{drm}/device"), &format!("../../../{slot}"));
        let from_class = format!("../../devices/pci0000:00/{slot}/drm/{name}");
        link(&format!("sys/class/drm/{name}"), &from_class);
        link(&format!("{drm}/subsystem"), "../../../../../class/drm");
        link(&format!("sys/dev/char/226:{number}"), &from_class);

        // umockdev shows a plain file as a device of the number that the link gives.
        link(&format!("dev/.node/dri_{name}"), &format!("226:{number}"));
        let directory = machine.join("dev/dri");
        fs::create_dir_all(&directory).expect("making a directory");
        make_node(&directory.join(name));
    }
}

#[track_caller]
fn make_node(path: &Path) {
    fs::write(path, "").expect("making a render node");
    fs::set_permissions(path, fs::Permissions::from_mode(0o660)).expect("a node's mode");
}

/// The directory of what is preloaded, built once.
#[track_caller]
fn libraries() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/gpu/rig/build");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target directory");
        let built = Command::new(&build)
            .env("CARGO_TARGET_DIR", target)
            .stdin(Stdio::null())
            .output()
            .unwrap_or_else(|error| panic!("{}: {error}", build.display()));
        let said = String::from_utf8_lossy(&built.stderr);
        let status = built.status;
        assert!(status.success(), "{}: {status}: run .ci/setup test\n{said}", build.display());
        PathBuf::from(String::from_utf8_lossy(&built.stdout).trim_end())
    })
}

/// What the rig shows when nothing else is asked for: 30 pictures in motion, the first an IDR.
#[track_caller]
pub(crate) fn usual_pictures(size: &str) -> PathBuf {
    pictures("testsrc2", size)
}

/// What it shows when it is told `garbage`.
#[track_caller]
pub(crate) fn garbage_pictures(size: &str) -> PathBuf {
    pictures("mandelbrot", size)
}

/// What a GPU would write that encodes what it is given, at 1920x1080: a proof ends well with it.
#[track_caller]
pub(crate) fn honest_pictures() -> &'static Path {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let spec = encode::spec();
        let mut encoder = Encoder::open(&Encoding::Software, &spec).expect("opening libx264");
        let pattern = Pattern::new(spec.size);
        let mut written = Vec::new();
        for number in 0..encode::PICTURES {
            let picture = pattern.picture(number);
            encoder.update(&picture, &Damage::whole(spec.size)).expect("converting a picture");
            let at = MediaTime::from_ticks(u64::from(number) * 3_000);
            written.extend(encoder.encode(at, number == 0).expect("encoding a picture"));
        }
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("proof-1920x1080.h264");
        fs::write(&file, written).expect("writing pictures");
        file
    })
}

#[track_caller]
fn pictures(source: &str, size: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pictures");
    fs::create_dir_all(&directory).expect("making a directory for pictures");
    let file = directory.join(format!("{source}-{size}.h264"));
    if file.exists() {
        return file;
    }
    let new = directory.join(format!("{source}-{size}.{}.h264", std::process::id()));
    let status = Command::new("ffmpeg")
        .args(["-v", "error", "-y", "-f", "lavfi", "-i", &format!("{source}=size={size}:rate=30")])
        .args(["-frames:v", "30", "-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast"])
        .args(["-profile:v", "high", "-bf", "0", "-g", "65535", "-sc_threshold", "0"])
        .arg(&new)
        .stdin(Stdio::null())
        .status()
        .unwrap_or_else(|error| panic!("ffmpeg: {error}: run .ci/setup test"));
    assert!(status.success(), "ffmpeg, making pictures for the rig: {status}");
    fs::rename(new, &file).expect("keeping pictures");
    file
}
