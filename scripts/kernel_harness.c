/* Colours what check_kernel.py has written into a file, and counts the bytes that are not NumPy's. */

#include <stdio.h>
#include <stdlib.h>

#define KOALARIZE_SOURCE "harness"
#include "../src/koalarize/colorizer/merge_rows.c"

static void *read_all(FILE *from, size_t bytes) {
    void *data = malloc(bytes);
    if (data == NULL || fread(data, 1, bytes, from) != bytes) {
        puts("the file is too short");
        exit(2);
    }
    return data;
}

int main(int count, char **words) {
    FILE *from = count == 2 ? fopen(words[1], "rb") : NULL;
    if (from == NULL) return 2;
    const int32_t *n = read_all(from, 9 * 4);
    const float *constants = read_all(from, 4 * 4);
    const size_t bytes = n[0], channels = n[1], height = n[2], width = n[3], grid = n[4];
    const size_t steps = n[5], levels = bytes == 1 ? 256 : 65536;
    struct koalarize_tables t = {.darkest = constants[0], .tangent = constants[1],
                                 .floor = constants[2], .ceiling = constants[3],
                                 .steps = n[5], .root_steps = n[6],
                                 .gamut_levels = n[7], .gamut_hues = n[8]};
    t.grey = read_all(from, 4 * levels);
    t.luminance = read_all(from, 12 * levels);
    t.root = read_all(from, 4 * ((size_t)n[6] + 1));
    t.levels = read_all(from, steps);
    t.deep = read_all(from, 2 * steps);
    t.chroma = read_all(from, 4 * (size_t)n[7] * n[8]);
    t.mix = read_all(from, 4 * 9);
    const size_t pixel = bytes * channels, row = (bytes == 1 ? 4 : 6) * width;
    struct koalarize_rows r = {.pixel_row = pixel * width, .pixel_step = pixel, .bytes = n[0],
                               .channels = n[1], .across_plane = grid * width, .across_row = width,
                               .out_row = row, .rows = n[2], .width = n[3]};
    r.across = read_all(from, 4 * 4 * grid * width);
    r.upper = read_all(from, 8 * height);
    r.lower = read_all(from, 8 * height);
    r.weights = read_all(from, 4 * height);
    r.pixels = read_all(from, pixel * width * height);
    const uint8_t *wanted = read_all(from, row * height);
    r.out = calloc(row, height);
    koalarize_merge_rows(&t, &r, 1);
    size_t off = 0;
    for (size_t i = 0; i < row * height; i++) off += r.out[i] != wanted[i];
    printf("%zu of %zu bytes differ\n", off, row * height);
    return off != 0;
}
