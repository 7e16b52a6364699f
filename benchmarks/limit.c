/* The speed limit of the processor: random crops of JPEGs, decoded by libjpeg-turbo and resized, in threads and with nothing around.

   limit INDEX THREADS WARM_UP TIMED OUT
   INDEX has a line "PATH" for each shard that follows by lines "OFFSET SIZE LABEL", one for each JPEG in it. Prints the seconds that TIMED
   images took after WARM_UP others; writes the last batch, uint8 [128, 224, 224, 3], to OUT. Without arguments: prints the version of
   libjpeg-turbo. The crops are drawn as TensorFlow's sample_distorted_bounding_box draws them, with area 0.08..1 and aspect 3/4..4/3;
   the decoder has its defaults (accurate DCT, fancy upsampling); resizing is bilinear without antialiasing, at the centres of the pixels. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <jpeglib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>

enum { SIZE = 224, BATCH = 128, SLOTS = 4, BYTES = SIZE * SIZE * 3 };
#define TEXT(x) #x
#define TEXT_OF(x) TEXT(x)

typedef struct { const uint8_t *data; uint64_t size; long label; } Image;
typedef struct { int x, y, width, height; } Window;
typedef struct { int first, second; int weight; } Tap; /* weight of the second, of 256 */

static Image *images;
static long count, stop;
static atomic_long next;
static uint8_t *batches;            /* SLOTS batches in turn, as a loader hands them on */
static long labels[SLOTS * BATCH];

static void fail(const char *what) { perror(what); exit(1); }

static const uint8_t *map_file(const char *path) {
    int file = open(path, O_RDONLY);
    struct stat about;
    if (file < 0 || fstat(file, &about)) fail(path);
    void *data = mmap(NULL, about.st_size, PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
    if (data == MAP_FAILED) fail(path);
    return data;
}

static void read_index(const char *path) {
    FILE *file = fopen(path, "r");
    char line[4096];
    const uint8_t *shard = NULL;
    if (!file) fail(path);
    while (fgets(line, sizeof line, file)) {
        uint64_t offset, size; long label;
        line[strcspn(line, "\n")] = 0;
        if (*line == '/') { shard = map_file(line); continue; }
        if (sscanf(line, "%lu %lu %ld", &offset, &size, &label) != 3 || !shard) fail(line);
        if ((count & (count - 1)) == 0) images = realloc(images, sizeof *images * (count ? 2 * count : 1));
        images[count++] = (Image){shard + offset, size, label};
    }
    fclose(file);
}

static uint64_t draw(uint64_t *state) { /* xorshift64* */
    *state ^= *state >> 12; *state ^= *state << 25; *state ^= *state >> 27;
    return *state * 2685821657736338717ULL >> 11;
}
static double uniform(uint64_t *state) { return draw(state) / 9007199254740992.0; }
static int below(uint64_t *state, int limit) { return limit > 0 ? draw(state) % limit : 0; }

static Window draw_window(uint64_t *state, int width, int height) {
    double area = (double)width * height;
    for (int attempt = 0; attempt < 100; attempt++) {
        double aspect = 0.75 + uniform(state) * (4.0 / 3 - 0.75);
        int least = lrint(sqrt(0.08 * area / aspect)), most = lrint(sqrt(area / aspect));
        if (lrint(most * aspect) > width) most = (int)((width + 0.5 - 1e-7) / aspect);
        if (most > height) most = height;
        if (least > most) least = most;
        int h = least + below(state, most - least + 1), w = lrint(h * aspect);
        if (h < 1 || w < 1 || w > width || (double)w * h < 0.08 * area) continue;
        return (Window){below(state, width - w + 1), below(state, height - h + 1), w, h};
    }
    return (Window){0, 0, width, height};
}

static void fill_taps(Tap *taps, int from) {
    for (int i = 0; i < SIZE; i++) {
        double place = (i + 0.5) * from / SIZE - 0.5;
        if (place < 0) place = 0;
        int first = (int)place;
        taps[i] = (Tap){first, first + 1 < from ? first + 1 : first, (int)((place - first) * 256 + 0.5)};
    }
}

/* Resizes pixels of `stride` bytes a row, vertically first: that runs over whole rows, so the compiler makes vectors of it. */
static void resize(const uint8_t *pixels, long stride, Window window, int flip, uint16_t *row, uint8_t *out) {
    Tap across[SIZE], down[SIZE];
    fill_taps(across, window.width);
    fill_taps(down, window.height);
    for (int y = 0; y < SIZE; y++, out += SIZE * 3) {
        const uint8_t *first = pixels + down[y].first * stride, *second = pixels + down[y].second * stride;
        int weight = down[y].weight, length = window.width * 3;
        for (int i = 0; i < length; i++) row[i] = first[i] * (256 - weight) + second[i] * weight;
        for (int x = 0; x < SIZE; x++) {
            const uint16_t *left = row + across[x].first * 3, *right = row + across[x].second * 3;
            uint8_t *to = out + (flip ? SIZE - 1 - x : x) * 3;
            for (int c = 0; c < 3; c++)
                to[c] = ((uint32_t)left[c] * (256 - across[x].weight) + (uint32_t)right[c] * across[x].weight + 32768) >> 16;
        }
    }
}

typedef struct { uint8_t *pixels; size_t room; uint16_t *row; size_t row_room; } Scratch;

static void decode(j_decompress_ptr jpeg, const Image *image, uint64_t *state, Scratch *scratch, uint8_t *out) {
    jpeg_mem_src(jpeg, image->data, image->size);
    jpeg_read_header(jpeg, TRUE);
    jpeg->out_color_space = JCS_RGB;
    Window window = draw_window(state, jpeg->image_width, jpeg->image_height);
    JDIMENSION left = window.x, width = window.width;
    jpeg_start_decompress(jpeg);
    jpeg_crop_scanline(jpeg, &left, &width); /* moves the left edge to a block */
    if (window.y) jpeg_skip_scanlines(jpeg, window.y);
    size_t stride = (size_t)jpeg->output_width * 3, room = stride * window.height;
    if (room > scratch->room) scratch->pixels = realloc(scratch->pixels, scratch->room = room);
    if (stride > scratch->row_room) scratch->row = realloc(scratch->row, 2 * (scratch->row_room = stride));
    for (int done = 0; done < window.height;) {
        JSAMPROW rows[8];
        int want = window.height - done < 8 ? window.height - done : 8;
        for (int i = 0; i < want; i++) rows[i] = scratch->pixels + (done + i) * stride;
        done += jpeg_read_scanlines(jpeg, rows, want);
    }
    jpeg_abort_decompress(jpeg);
    resize(scratch->pixels + (window.x - left) * 3, stride, window, draw(state) & 1, scratch->row, out);
}

static void *work(void *seed) {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    uint64_t state = (uintptr_t)seed * 0x9E3779B97F4A7C15ULL;
    Scratch scratch = {0};
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_decompress(&jpeg);
    for (long number; (number = next++) < stop;) {
        const Image *image = images + number % count;
        long place = number % (SLOTS * BATCH);
        decode(&jpeg, image, &state, &scratch, batches + place * BYTES);
        labels[place] = image->label;
    }
    jpeg_destroy_decompress(&jpeg);
    free(scratch.pixels);
    free(scratch.row);
    return NULL;
}

static double run(long threads, long number) { /* Returns the seconds of so many images. */
    static uintptr_t seed = 1;
    struct timespec start, end;
    pthread_t workers[threads];
    stop = next + number;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (long i = 0; i < threads; i++) if (pthread_create(workers + i, NULL, work, (void *)seed++)) fail("pthread_create");
    for (long i = 0; i < threads; i++) pthread_join(workers[i], NULL);
    clock_gettime(CLOCK_MONOTONIC, &end);
    next = stop; /* each thread went one further to see the end */
    return end.tv_sec - start.tv_sec + (end.tv_nsec - start.tv_nsec) / 1e9;
}

int main(int argc, char **argv) {
    if (argc != 6) return puts(TEXT_OF(LIBJPEG_TURBO_VERSION)) < 0;
    read_index(argv[1]);
    batches = calloc(SLOTS * BATCH, BYTES);
    if (!count || !batches) fail("no images, or no memory");
    uint64_t state = 1;
    for (long i = count - 1; i > 0; i--) { /* shuffles */
        long j = below(&state, i + 1);
        Image other = images[i]; images[i] = images[j]; images[j] = other;
    }
    run(atol(argv[2]), atol(argv[3]));
    printf("%.6f\n", run(atol(argv[2]), atol(argv[4])));
    FILE *out = fopen(argv[5], "wb");
    long last = (stop / BATCH - 1) % SLOTS;
    if (!out || fwrite(batches + last * BATCH * BYTES, BYTES, BATCH, out) != BATCH || fclose(out)) fail(argv[5]);
    return 0;
}
