// Preloaded before libva: hands out prepared pictures where a GPU would have written its own, and breaks
// encoding when it is told to.
//
//   RIG_PICTURES  a directory of Annex B files, such as 1920x1080.h264, of which an encoder gets the one of
//                 its size: an IDR picture, then pictures that are none. Who asks for an IDR gets the
//                 first, else the next after the last; after the end comes the second.
//   RIG_GARBAGE   such a directory, of other pictures
//   RIG_CONTROL   a file that is read at each picture: nothing, or lines such as "fail" or "qsv:fail".
//                 What stands before the colon limits it to QuickSync (qsv) or to those who call libva
//                 themselves (vaapi). The last line that applies counts:
//                   fail     the driver says that encoding the picture failed
//                   hang     the picture does not get ready while this stands here
//                   slow     the picture takes 300 ms
//                   crash    the process gets a SIGSEGV
//                   garbage  the picture comes from RIG_GARBAGE
//
// An access unit starts at an AUD, SEI, SPS or PPS that follows a slice, or at a slice with the first
// macroblock, whatever comes first: files with AUD and without will do. What the encoder was asked for
// (bit rate, level, headers) is not in them.
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <va/va.h>

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// Guards all that follows.
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void *new(size_t size)
{
    void *made = calloc(1, size);
    if (!made)
        abort();
    return made;
}

// --- Files of pictures ---

struct pictures {
    struct pictures *next;
    char path[PATH_MAX];
    unsigned char *bytes;
    // One more than there are: the last is the end of the file.
    size_t *starts;
    size_t count;
};

static _Noreturn void give_up(const char *path, const char *why)
{
    fprintf(stderr, "rig: %s: %s\n", path, why);
    abort();
}

static void split(struct pictures *file, size_t size)
{
    bool in_slices = true;
    size_t room = 64;
    file->starts = new(room * sizeof *file->starts);
    for (size_t at = 0; at + 4 < size; at++) {
        const unsigned char *code = file->bytes + at;
        if (code[0] != 0 || code[1] != 0 || code[2] != 1)
            continue;
        unsigned type = code[3] & 31;
        bool slice = type == 1 || type == 5;
        // The first field of a slice is its first macroblock, and a set bit says 0.
        bool begins = (type >= 6 && type <= 9) || (slice && (code[4] & 0x80));
        if (in_slices && begins) {
            if (file->count + 1 == room)
                file->starts = realloc(file->starts, (room *= 2) * sizeof *file->starts);
            if (!file->starts)
                abort();
            // A start code may have one more zero.
            file->starts[file->count++] = at > 0 && code[-1] == 0 ? at - 1 : at;
            in_slices = false;
        }
        in_slices |= slice;
    }
    file->starts[file->count] = size;
}

// Read once, kept for good.
static const struct pictures *read_pictures(const char *path)
{
    static struct pictures *files;
    for (struct pictures *it = files; it; it = it->next)
        if (strcmp(it->path, path) == 0)
            return it;
    struct pictures *file = new(sizeof *file);
    snprintf(file->path, sizeof file->path, "%s", path);
    FILE *from = fopen(path, "rb");
    if (!from)
        give_up(path, "it cannot be opened");
    fseek(from, 0, SEEK_END);
    long size = ftell(from);
    rewind(from);
    file->bytes = new(size > 0 ? size : 1);
    if (fread(file->bytes, 1, size, from) != (size_t)size)
        give_up(path, "it cannot be read");
    fclose(from);
    split(file, size);
    if (file->count < 2)
        give_up(path, "it has fewer than two pictures");
    file->next = files;
    files = file;
    return file;
}

static unsigned macroblocks(unsigned pixels)
{
    return (pixels + 15) / 16;
}

// Of this size, which encoders round up to whole macroblocks.
static const struct pictures *pictures(const char *variable, unsigned width, unsigned height)
{
    const char *name = getenv(variable);
    DIR *directory = name ? opendir(name) : NULL;
    if (!directory)
        give_up(variable, "it names no directory");
    const struct pictures *found = NULL;
    for (struct dirent *entry; !found && (entry = readdir(directory));) {
        unsigned w, h;
        if (sscanf(entry->d_name, "%ux%u.h264", &w, &h) != 2)
            continue;
        if (macroblocks(w) != macroblocks(width) || macroblocks(h) != macroblocks(height))
            continue;
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s", name, entry->d_name);
        found = read_pictures(path);
    }
    closedir(directory);
    if (!found) {
        fprintf(stderr, "rig: no pictures of %ux%u\n", width, height);
        give_up(name, "it has none of this size");
    }
    return found;
}

// --- What this process encodes ---

enum api { VAAPI, QSV };

// A buffer that an encoder writes into, or one of what it is asked for.
struct buffer {
    struct buffer *next;
    VADisplay display;
    VABufferID id;
    bool coded;
    enum api api;
    VACodedBufferSegment segment;
};

// What libva calls a context: a stream of pictures.
struct stream {
    struct stream *next;
    VADisplay display;
    VAContextID context;
    unsigned width, height;
    enum api api;
    // Since the last IDR picture.
    size_t pictures;
    // Of the picture that has been begun.
    struct buffer *into;
    bool idr;
};

static struct buffer *buffers;
static struct stream *streams;

static struct buffer *buffer(VADisplay display, VABufferID id)
{
    for (struct buffer *it = buffers; it; it = it->next)
        if (it->display == display && it->id == id)
            return it;
    return NULL;
}

static struct stream *stream(VADisplay display, VAContextID context)
{
    for (struct stream *it = streams; it; it = it->next)
        if (it->display == display && it->context == context)
            return it;
    return NULL;
}

// Who calls: QuickSync's runtimes call libva as any other user does.
static enum api caller(const void *address)
{
    Dl_info from;
    if (!dladdr(address, &from) || !from.dli_fname)
        return VAAPI;
    const char *name = strrchr(from.dli_fname, '/');
    return strncmp(name ? name + 1 : from.dli_fname, "libmfx", strlen("libmfx")) == 0 ? QSV : VAAPI;
}

// --- What it is told ---

enum word { NOTHING, FAIL, HANG, SLOW, CRASH, GARBAGE };

static enum word told(enum api api)
{
    static const char *const WORDS[] = {"", "fail", "hang", "slow", "crash", "garbage"};
    const char *path = getenv("RIG_CONTROL");
    FILE *from = path ? fopen(path, "r") : NULL;
    if (!from)
        return NOTHING;
    enum word told = NOTHING;
    char line[64];
    while (fgets(line, sizeof line, from)) {
        line[strcspn(line, "\r\n")] = 0;
        char *word = line;
        char *colon = strchr(line, ':');
        if (colon) {
            *colon = 0;
            word = colon + 1;
            if (strcmp(line, api == QSV ? "qsv" : "vaapi") != 0)
                continue;
        }
        for (size_t at = 1; at < sizeof WORDS / sizeof WORDS[0]; at++)
            if (strcmp(word, WORDS[at]) == 0)
                told = at;
    }
    fclose(from);
    return told;
}

static void pause_for(long milliseconds)
{
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    nanosleep(&time, NULL);
}

// --- libva ---

VAStatus vaCreateBuffer(VADisplay display, VAContextID context, VABufferType type, unsigned size,
                        unsigned count, void *data, VABufferID *id)
{
    VAStatus status = NEXT(vaCreateBuffer)(display, context, type, size, count, data, id);
    bool coded = type == VAEncCodedBufferType;
    // The same type serves all codecs; each has another size.
    bool asked = type == VAEncPictureParameterBufferType && size == sizeof(VAEncPictureParameterBufferH264);
    if (status != VA_STATUS_SUCCESS || (!coded && !asked))
        return status;
    struct buffer *made = new(sizeof *made);
    made->display = display;
    made->id = *id;
    made->coded = coded;
    pthread_mutex_lock(&lock);
    made->next = buffers;
    buffers = made;
    pthread_mutex_unlock(&lock);
    return status;
}

VAStatus vaDestroyBuffer(VADisplay display, VABufferID id)
{
    pthread_mutex_lock(&lock);
    for (struct buffer **it = &buffers; *it; it = &(*it)->next) {
        struct buffer *gone = *it;
        if (gone->display != display || gone->id != id)
            continue;
        for (struct stream *user = streams; user; user = user->next)
            if (user->into == gone)
                user->into = NULL;
        *it = gone->next;
        free(gone);
        break;
    }
    pthread_mutex_unlock(&lock);
    return NEXT(vaDestroyBuffer)(display, id);
}

VAStatus vaCreateContext(VADisplay display, VAConfigID config, int width, int height, int flag,
                         VASurfaceID *targets, int count, VAContextID *context)
{
    VAStatus status =
        NEXT(vaCreateContext)(display, config, width, height, flag, targets, count, context);
    if (status != VA_STATUS_SUCCESS)
        return status;
    struct stream *made = new(sizeof *made);
    made->display = display;
    made->context = *context;
    made->width = width;
    made->height = height;
    pthread_mutex_lock(&lock);
    made->next = streams;
    streams = made;
    pthread_mutex_unlock(&lock);
    return status;
}

VAStatus vaDestroyContext(VADisplay display, VAContextID context)
{
    pthread_mutex_lock(&lock);
    for (struct stream **it = &streams; *it; it = &(*it)->next) {
        struct stream *gone = *it;
        if (gone->display != display || gone->context != context)
            continue;
        *it = gone->next;
        free(gone);
        break;
    }
    pthread_mutex_unlock(&lock);
    return NEXT(vaDestroyContext)(display, context);
}

// A picture's parameters say where it shall be written and whether it is an IDR.
static void begin(VADisplay display, VAContextID context, VABufferID id, enum api api)
{
    pthread_mutex_lock(&lock);
    struct buffer *it = buffer(display, id);
    bool asked = it && !it->coded;
    pthread_mutex_unlock(&lock);
    VAEncPictureParameterBufferH264 *parameters;
    if (!asked || NEXT(vaMapBuffer)(display, id, (void **)&parameters) != VA_STATUS_SUCCESS)
        return;
    VABufferID into = parameters->coded_buf;
    bool idr = parameters->pic_fields.bits.idr_pic_flag;
    NEXT(vaUnmapBuffer)(display, id);

    pthread_mutex_lock(&lock);
    struct stream *of = stream(display, context);
    if (of) {
        of->api = api;
        of->into = buffer(display, into);
        of->idr = idr;
    }
    pthread_mutex_unlock(&lock);
}

VAStatus vaRenderPicture(VADisplay display, VAContextID context, VABufferID *ids, int count)
{
    enum api api = caller(__builtin_return_address(0));
    for (int at = 0; at < count; at++)
        begin(display, context, ids[at], api);
    return NEXT(vaRenderPicture)(display, context, ids, count);
}

VAStatus vaEndPicture(VADisplay display, VAContextID context)
{
    pthread_mutex_lock(&lock);
    struct stream *of = stream(display, context);
    struct buffer *into = of ? of->into : NULL;
    enum word word = into ? told(of->api) : NOTHING;
    if (into) {
        const char *variable = word == GARBAGE ? "RIG_GARBAGE" : "RIG_PICTURES";
        const struct pictures *from = pictures(variable, of->width, of->height);
        if (of->idr)
            of->pictures = 0;
        size_t at = of->pictures == 0 ? 0 : 1 + (of->pictures - 1) % (from->count - 1);
        of->pictures++;
        of->into = NULL;
        into->api = of->api;
        memset(&into->segment, 0, sizeof into->segment);
        into->segment.buf = from->bytes + from->starts[at];
        into->segment.size = from->starts[at + 1] - from->starts[at];
    }
    pthread_mutex_unlock(&lock);

    if (word == CRASH) {
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    return NEXT(vaEndPicture)(display, context);
}

// A picture's, or none when this buffer is not one.
static struct buffer *picture(VADisplay display, VABufferID id)
{
    struct buffer *it = buffer(display, id);
    return it && it->segment.buf ? it : NULL;
}

// Replaces the driver's answer, which is about a GPU that does nothing. But the driver must have been
// asked, or its list of finished pictures fills.
static VAStatus finish(VADisplay display, VABufferID id, void **segment, VAStatus answer)
{
    pthread_mutex_lock(&lock);
    struct buffer *it = picture(display, id);
    bool is = it;
    enum api api = is ? it->api : VAAPI;
    pthread_mutex_unlock(&lock);
    if (!is)
        return answer;

    if (told(api) == SLOW)
        pause_for(300);
    while (told(api) == HANG)
        pause_for(20);
    bool failed = told(api) == FAIL;

    pthread_mutex_lock(&lock);
    it = picture(display, id);
    if (it) {
        *segment = &it->segment;
        // QuickSync's runtime takes this for a hung GPU, and ends the process when a call fails.
        it->segment.status = failed && api == QSV ? VA_CODED_BUF_STATUS_BAD_BITSTREAM : 0;
    }
    pthread_mutex_unlock(&lock);
    return !it || (failed && api == VAAPI) ? VA_STATUS_ERROR_ENCODING_ERROR : VA_STATUS_SUCCESS;
}

VAStatus vaMapBuffer(VADisplay display, VABufferID id, void **segment)
{
    VAStatus status = NEXT(vaMapBuffer)(display, id, segment);
    return finish(display, id, segment, status);
}

// Of libva 2.21 and later, which need not be the one this is compiled with.
VAStatus vaMapBuffer2(VADisplay display, VABufferID id, void **segment, uint32_t flags)
{
    VAStatus status = NEXT(vaMapBuffer2)(display, id, segment, flags);
    return finish(display, id, segment, status);
}

VAStatus vaUnmapBuffer(VADisplay display, VABufferID id)
{
    VAStatus status = NEXT(vaUnmapBuffer)(display, id);
    pthread_mutex_lock(&lock);
    bool is = picture(display, id);
    pthread_mutex_unlock(&lock);
    return is ? VA_STATUS_SUCCESS : status;
}

// Nothing that waits for the GPU would come back with success.
VAStatus vaSyncSurface(VADisplay display, VASurfaceID surface)
{
    (void)display;
    (void)surface;
    return VA_STATUS_SUCCESS;
}

VAStatus vaSyncBuffer(VADisplay display, VABufferID id, uint64_t nanoseconds)
{
    (void)display;
    (void)id;
    (void)nanoseconds;
    return VA_STATUS_SUCCESS;
}

VAStatus vaQuerySurfaceStatus(VADisplay display, VASurfaceID surface, VASurfaceStatus *status)
{
    (void)display;
    (void)surface;
    *status = VASurfaceReady;
    return VA_STATUS_SUCCESS;
}
