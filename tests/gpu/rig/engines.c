// Preloaded before Mesa's no-op i915 and umockdev: makes what those report an iGPU with a media engine.
//
// Mesa's shim serves Mesa, which draws; so it answers "no" when a video driver asks for the engines that
// encode, for HuC (the firmware that keeps a bit rate) and for address spaces. And it knows one render
// node only, the first. Here:
//
//   RIG_NODE  the render node that leads to the iGPU; other nodes can be opened, and lead nowhere
//   RIG_HUC   0: HuC has not been loaded
//
// Every other path goes past the shim to umockdev, so what is in /dev and /sys is said in one place.
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <libdrm/i915_drm.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// --- Paths ---

// The only node that the shim takes for its own.
static const char SHIM_NODE[] = "/dev/dri/renderD128";

static const char *node(void)
{
    const char *node = getenv("RIG_NODE");
    return node ? node : SHIM_NODE;
}

// What comes after the shim.
static void *past_the_shim(const char *name)
{
    static void *umockdev;
    if (!umockdev)
        umockdev = dlopen("libumockdev-preload.so.0", RTLD_LAZY | RTLD_NOLOAD);
    void *found = umockdev ? dlsym(umockdev, name) : NULL;
    if (!found)
        abort();
    return found;
}
#define PAST(name) ((__typeof__(&name))past_the_shim(#name))

static mode_t mode_of(int flags, va_list rest)
{
    return (flags & (O_CREAT | __O_TMPFILE)) ? va_arg(rest, mode_t) : 0;
}

// The file that stands for a node: umockdev would want somebody to answer its ioctls before it opens one.
static int open_file(const char *path, int flags)
{
    char file[PATH_MAX];
    const char *root = getenv("UMOCKDEV_DIR");
    snprintf(file, sizeof file, "%s%s", root ? root : "", path);
    return syscall(SYS_openat, AT_FDCWD, file, flags, 0);
}

static int open_node(const char *path, int flags)
{
    int file = open_file(path, flags);
    if (file < 0 || strcmp(path, node()) != 0)
        return file;
    // What is in the way of opening the file is in the way of opening the GPU: its mode, or that it is gone.
    close(file);
    int fd = NEXT(open)(SHIM_NODE, flags, 0);
    // The shim opens without the flags.
    if (fd >= 0 && (flags & O_CLOEXEC))
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

static int is_node(const char *path)
{
    return strncmp(path, "/dev/dri/renderD", strlen("/dev/dri/renderD")) == 0;
}

#define OPEN(name)                                                       \
    int name(const char *path, int flags, ...)                           \
    {                                                                    \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t mode = mode_of(flags, rest);                              \
        va_end(rest);                                                    \
        if (is_node(path))                                               \
            return open_node(path, flags);                               \
        return PAST(name)(path, flags, mode);                            \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                     \
    int name(int directory, const char *path, int flags, ...)            \
    {                                                                    \
        va_list rest;                                                    \
        va_start(rest, flags);                                           \
        mode_t mode = mode_of(flags, rest);                              \
        va_end(rest);                                                    \
        if (is_node(path))                                               \
            return open_node(path, flags);                               \
        return PAST(name)(directory, path, flags, mode);                 \
    }
OPENAT(openat)
OPENAT(openat64)

// What a program compiled with _FORTIFY_SOURCE calls; declared only then.
int __open_2(const char *path, int flags)
{
    return open(path, flags);
}
int __open64_2(const char *path, int flags)
{
    return open64(path, flags);
}

int access(const char *path, int mode)
{
    return PAST(access)(path, mode);
}
DIR *opendir(const char *path)
{
    return PAST(opendir)(path);
}
FILE *fopen(const char *path, const char *mode)
{
    return PAST(fopen)(path, mode);
}
FILE *fopen64(const char *path, const char *mode)
{
    return PAST(fopen64)(path, mode);
}
ssize_t readlink(const char *path, char *into, size_t size)
{
    return PAST(readlink)(path, into, size);
}
char *realpath(const char *path, char *into)
{
    return PAST(realpath)(path, into);
}
int stat(const char *path, struct stat *status)
{
    return PAST(stat)(path, status);
}
int stat64(const char *path, struct stat64 *status)
{
    return PAST(stat64)(path, status);
}

// The shim says 128 for whatever it has opened.
static dev_t renumbered(dev_t device)
{
    if (device != makedev(226, 128))
        return device;
    const char *number = strrchr(node(), 'D');
    return number ? makedev(226, atoi(number + 1)) : device;
}

int fstat(int fd, struct stat *status)
{
    int result = NEXT(fstat)(fd, status);
    if (result == 0 && S_ISCHR(status->st_mode))
        status->st_rdev = renumbered(status->st_rdev);
    return result;
}

int fstat64(int fd, struct stat64 *status)
{
    int result = NEXT(fstat64)(fd, status);
    if (result == 0 && S_ISCHR(status->st_mode))
        status->st_rdev = renumbered(status->st_rdev);
    return result;
}

// As Rust's standard library asks of an open file.
int statx(int directory, const char *path, int flags, unsigned mask, struct statx *status)
{
    struct stat shim;
    int result = PAST(statx)(directory, path, flags, mask, status);
    if (result == 0 && *path == 0 && fstat(directory, &shim) == 0 && S_ISCHR(shim.st_mode)) {
        status->stx_rdev_major = major(shim.st_rdev);
        status->stx_rdev_minor = minor(shim.st_rdev);
    }
    return result;
}

// --- What the kernel says of the engines ---

static int is_gpu(int fd)
{
    struct stat status;
    return NEXT(fstat)(fd, &status) == 0 && S_ISCHR(status.st_mode) &&
           status.st_rdev == makedev(226, 128);
}

static int huc(void)
{
    const char *huc = getenv("RIG_HUC");
    return huc ? atoi(huc) : 1;
}

static int parameter(struct drm_i915_getparam *parameter)
{
    switch (parameter->param) {
    case I915_PARAM_HAS_BSD:
    case I915_PARAM_HAS_BSD2:
    case I915_PARAM_HAS_VEBOX:
    case I915_PARAM_HAS_LLC:
        *parameter->value = 1;
        return 1;
    case I915_PARAM_HUC_STATUS:
        *parameter->value = huc();
        return 1;
    default:
        return 0;
    }
}

static void engines(struct drm_i915_query_item *item)
{
    static const struct {
        uint16_t class, instance;
        uint64_t capabilities;
    } ENGINES[] = {
        {I915_ENGINE_CLASS_RENDER, 0, 0},
        {I915_ENGINE_CLASS_COPY, 0, 0},
        {I915_ENGINE_CLASS_VIDEO, 0,
         I915_VIDEO_CLASS_CAPABILITY_HEVC | I915_VIDEO_AND_ENHANCE_CLASS_CAPABILITY_SFC},
        {I915_ENGINE_CLASS_VIDEO, 1,
         I915_VIDEO_CLASS_CAPABILITY_HEVC | I915_VIDEO_AND_ENHANCE_CLASS_CAPABILITY_SFC},
        {I915_ENGINE_CLASS_VIDEO_ENHANCE, 0, I915_VIDEO_AND_ENHANCE_CLASS_CAPABILITY_SFC},
    };
    const uint32_t count = sizeof ENGINES / sizeof ENGINES[0];
    struct drm_i915_query_engine_info *info = (void *)(uintptr_t)item->data_ptr;
    const int32_t length = sizeof *info + count * sizeof info->engines[0];

    // A length of 0 asks for the length.
    if (item->length != 0 && item->length < length) {
        item->length = -EINVAL;
        return;
    }
    if (item->length != 0) {
        memset(info, 0, length);
        info->num_engines = count;
        for (uint32_t at = 0; at < count; at++) {
            info->engines[at].engine.engine_class = ENGINES[at].class;
            info->engines[at].engine.engine_instance = ENGINES[at].instance;
            info->engines[at].capabilities = ENGINES[at].capabilities;
        }
    }
    item->length = length;
}

static int query(int fd, const struct drm_i915_query *query)
{
    struct drm_i915_query_item *items = (void *)(uintptr_t)query->items_ptr;
    for (uint32_t at = 0; at < query->num_items; at++) {
        struct drm_i915_query one = {.num_items = 1, .items_ptr = (uintptr_t)&items[at]};
        if (items[at].query_id == DRM_I915_QUERY_ENGINE_INFO)
            engines(&items[at]);
        // What the GuC firmware would tell, without which drivers go by their own tables.
        else if (items[at].query_id == DRM_I915_QUERY_HWCONFIG_BLOB)
            items[at].length = -ENODEV;
        else if (NEXT(ioctl)(fd, DRM_IOCTL_I915_QUERY, &one) != 0)
            return -1;
    }
    return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
    va_list rest;
    va_start(rest, request);
    void *argument = va_arg(rest, void *);
    va_end(rest);

    // Callers that keep the request in an int extend its sign.
    switch ((uint32_t)request) {
    case DRM_IOCTL_I915_GETPARAM:
        if (is_gpu(fd) && parameter(argument))
            return 0;
        break;
    case DRM_IOCTL_I915_QUERY:
        if (is_gpu(fd))
            return query(fd, argument);
        break;
    case DRM_IOCTL_I915_GEM_VM_CREATE:
        if (is_gpu(fd)) {
            static _Atomic uint32_t spaces;
            ((struct drm_i915_gem_vm_control *)argument)->vm_id = ++spaces;
            return 0;
        }
        break;
    case DRM_IOCTL_I915_GEM_VM_DESTROY:
    // The i965 driver says this of each buffer that it has written to.
    case DRM_IOCTL_I915_GEM_SW_FINISH:
        if (is_gpu(fd))
            return 0;
        break;
    }
    return NEXT(ioctl)(fd, request, argument);
}
