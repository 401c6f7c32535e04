/* Rows of a photo: from lightness and the planes of chroma to sRGB, as colorizer/strip.py has it,
   and the planes at the width of the photo, as colorizer/merge.py has them.

   Not here: the tables and the colour science behind them (colorizer/strip.py).

   The results are those of strip.py to the byte, on every machine: the same operations on float32 in
   the same order. It must be compiled without contracting a * b + c into one rounding
   (-ffp-contract=off) and without -ffast-math. It calls no library but for the square root, which
   IEEE 754 defines to the bit. On x86-64 the same code is compiled a second time for AVX2, without
   fused multiply-adds: eight numbers at once in place of four, and the same results. */

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__) && defined(__x86_64__)
#include <cpuid.h>
#define KOALARIZE_AVX2 1
#endif

#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline)) /* into either of the two */
#else
#define INLINE static inline
#endif

#if defined(_WIN32)
#define KOALARIZE_EXPORT __declspec(dllexport)
#else
#define KOALARIZE_EXPORT __attribute__((visibility("default")))
#endif

enum { BLOCK = 512 }; /* pixels whose numbers stay in the first-level cache */

/* Everything that strip.py knows; colorizer/kernel.py has the same fields in the same order. */
struct koalarize_tables {
    const float *grey;      /* (levels,) fy of a grey level, or null for colour */
    const float *luminance; /* (3, levels) what a level adds to the luminance, or null for grey */
    const float *root;      /* (root_steps + 1,) fy of a luminance in [0, 1] */
    const uint8_t *levels;  /* (steps,) 8-bit levels of linear light */
    const uint16_t *deep;   /* (steps,) 16-bit levels of the square root of linear light */
    const float *chroma;    /* (gamut_levels, gamut_hues) the largest chroma in sRGB */
    const float *mix;       /* (3, 3) linear sRGB in steps from the light of x, y, z; row-major */
    float darkest, tangent; /* DELTA; 3 * DELTA**2 */
    float floor, ceiling;   /* what is still taken as inside sRGB, steps of linear light */
    int32_t steps, root_steps, gamut_levels, gamut_hues;
};

struct koalarize_rows {
    const uint8_t *pixels; /* of the first row; its distances below are in bytes */
    ptrdiff_t pixel_row, pixel_step;
    int32_t bytes, channels; /* of a sample: 1 or 2; 1 or 3 */
    const float *across;     /* (4, h, width) slopes of fx and fz, and their offsets */
    ptrdiff_t across_plane, across_row; /* in numbers */
    const int64_t *upper, *lower;       /* (rows,) the rows of the grid above and below */
    const float *weights;               /* (rows,) the share of the lower one */
    uint8_t *out;                       /* 4 bytes a pixel, or 3 samples of 2 bytes */
    ptrdiff_t out_row;                  /* in bytes */
    int32_t rows, width;
};

/* The first digits of the SHA-256 of this file: colorizer/kernel.py calls no library of another. */
KOALARIZE_EXPORT const char *koalarize_source(void) { return KOALARIZE_SOURCE; }

INLINE float least(float a, float b) { return a < b ? a : b; }
INLINE float most(float a, float b) { return a > b ? a : b; }

/* Undo CIELAB's curve: a cube, and below DELTA its own tangent. */
INLINE float light_of(float f, float darkest, float tangent) {
    float clamped = most(f, darkest);
    return clamped * clamped * clamped + (f - clamped) * tangent;
}

/* fy = (L* + 16) / 116 of a run of pixels. */
INLINE void curve_of(const struct koalarize_tables *t, const struct koalarize_rows *r,
                     const uint8_t *from, int count, float *fy) {
    if (r->channels == 1) {
        if (r->bytes == 1)
            for (int i = 0; i < count; i++) fy[i] = t->grey[from[i * r->pixel_step]];
        else
            for (int i = 0; i < count; i++)
                fy[i] = t->grey[*(const uint16_t *)(from + i * r->pixel_step)];
        return;
    }
    const int levels = r->bytes == 1 ? 256 : 65536;
    const float *red = t->luminance, *green = red + levels, *blue = green + levels;
    const float scale = (float)t->root_steps;
    const int32_t last = t->root_steps - 1;
    for (int i = 0; i < count; i++) {
        const uint8_t *at = from + i * r->pixel_step;
        float light;
        if (r->bytes == 1) {
            light = red[at[0]] + green[at[1]] + blue[at[2]];
        } else {
            const uint16_t *deep = (const uint16_t *)at;
            light = red[deep[0]] + green[deep[1]] + blue[deep[2]];
        }
        light *= scale;
        int32_t cell = (int32_t)light;
        cell = cell < last ? cell : last;
        light -= (float)cell;
        fy[i] = (t->root[cell + 1] - t->root[cell]) * light + t->root[cell];
    }
}

/* Reduce the chroma of some pixels at their lightness and hue until sRGB can show them. */
INLINE void into_gamut(const struct koalarize_tables *t, const int32_t *which, int count,
                       const float *fx, const float *fy, const float *fz, float *red, float *green,
                       float *blue) {
    float u[BLOCK], y[BLOCK], v[BLOCK], scale[BLOCK];
    int32_t cell[BLOCK];
    const float most_level = (float)(t->gamut_levels - 1);
    const float levels = (float)((t->gamut_levels - 1) / 100.0);
    const float hues = (float)(t->gamut_hues / 4);
    const int32_t all = t->gamut_hues;
    for (int i = 0; i < count; i++) {
        const int at = which[i];
        y[i] = fy[at], u[i] = fx[at] - fy[at], v[i] = fz[at] - fy[at];
    }
    for (int i = 0; i < count; i++) {
        float a = 500.0f * u[i], b = -200.0f * v[i];
        float size = (a < 0 ? -a : a) + (b < 0 ? -b : b);
        float along = a / most(size, 1e-6f);
        float turn = b >= 0 ? 1.0f - along : 3.0f + along;
        float level = (116.0f * y[i] - 16.0f) * levels;
        int32_t hue = (int32_t)(turn * hues);
        hue = hue >= all ? hue - all : hue;
        hue = hue < 0 || hue >= all ? 0 : hue; /* of what is not finite */
        cell[i] = (int32_t)least(most(level, 0.0f), most_level) * all + hue;
        scale[i] = most(__builtin_sqrtf(a * a + b * b), 1e-6f);
    }
    for (int i = 0; i < count; i++) scale[i] = least(1.0f, t->chroma[cell[i]] / scale[i]);
    const float darkest = t->darkest, tangent = t->tangent;
    for (int i = 0; i < count; i++) {
        u[i] = light_of(y[i] + scale[i] * u[i], darkest, tangent);
        v[i] = light_of(y[i] + scale[i] * v[i], darkest, tangent);
        y[i] = light_of(y[i], darkest, tangent);
    }
    const float *m = t->mix;
    for (int i = 0; i < count; i++) {
        const int at = which[i];
        red[at] = u[i] * m[0] + y[i] * m[1] + v[i] * m[2];
        green[at] = u[i] * m[3] + y[i] * m[4] + v[i] * m[5];
        blue[at] = u[i] * m[6] + y[i] * m[7] + v[i] * m[8];
    }
}

INLINE void block(const struct koalarize_tables *t, const struct koalarize_rows *r, int row,
                  int first, int count) {
    float fx[BLOCK], fy[BLOCK], fz[BLOCK], red[BLOCK], green[BLOCK], blue[BLOCK];
    curve_of(t, r, r->pixels + row * r->pixel_row + first * r->pixel_step, count, fy);

    const float weight = r->weights[row];
    const float *above = r->across + r->upper[row] * r->across_row + first;
    const float *below = r->across + r->lower[row] * r->across_row + first;
    const ptrdiff_t plane = r->across_plane;
    const float *slope_x0 = above, *slope_x1 = below;
    const float *slope_z0 = above + plane, *slope_z1 = below + plane;
    const float *offset_x0 = above + 2 * plane, *offset_x1 = below + 2 * plane;
    const float *offset_z0 = above + 3 * plane, *offset_z1 = below + 3 * plane;
    for (int i = 0; i < count; i++) {
        fx[i] = (weight * (slope_x1[i] - slope_x0[i]) + slope_x0[i]) * fy[i] +
                (weight * (offset_x1[i] - offset_x0[i]) + offset_x0[i]);
        fz[i] = (weight * (slope_z1[i] - slope_z0[i]) + slope_z0[i]) * fy[i] +
                (weight * (offset_z1[i] - offset_z0[i]) + offset_z0[i]);
    }

    const float darkest = t->darkest, tangent = t->tangent;
    const float m0 = t->mix[0], m1 = t->mix[1], m2 = t->mix[2], m3 = t->mix[3], m4 = t->mix[4],
                m5 = t->mix[5], m6 = t->mix[6], m7 = t->mix[7], m8 = t->mix[8];
    for (int i = 0; i < count; i++) {
        float x = light_of(fx[i], darkest, tangent);
        float y = light_of(fy[i], darkest, tangent);
        float z = light_of(fz[i], darkest, tangent);
        red[i] = x * m0 + y * m1 + z * m2;
        green[i] = x * m3 + y * m4 + z * m5;
        blue[i] = x * m6 + y * m7 + z * m8;
    }
    const float floor = t->floor, ceiling = t->ceiling;
    int32_t outside[BLOCK], which[BLOCK];
    for (int i = 0; i < count; i++)
        outside[i] = (red[i] < floor) | (green[i] < floor) | (blue[i] < floor) |
                     (red[i] > ceiling) | (green[i] > ceiling) | (blue[i] > ceiling);
    int found = 0;
    for (int i = 0; i < count; i++) {
        which[found] = i;
        found += outside[i];
    }
    if (found) into_gamut(t, which, found, fx, fy, fz, red, green, blue);

    uint8_t *to = r->out + row * r->out_row;
    const int32_t steps = t->steps;
    int32_t step[3][BLOCK];
    float *const channels[3] = {red, green, blue};
    if (r->bytes == 1) {
        const float last = (float)(steps - 1);
        for (int c = 0; c < 3; c++)
            for (int i = 0; i < count; i++)
                step[c][i] = (int32_t)least(most(channels[c][i], 0.0f), last);
        const uint8_t *levels = t->levels;
        uint32_t *packed = (uint32_t *)to + first;
        for (int i = 0; i < count; i++)
            packed[i] = (uint32_t)levels[step[0][i]] | (uint32_t)levels[step[1][i]] << 8 |
                        (uint32_t)levels[step[2][i]] << 16;
        return;
    }
    const float whole = (float)steps, part = (float)(1.0 / steps), range = (float)(steps - 1);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < count; i++) {
            float light = least(most(channels[c][i], 0.0f), whole) * part;
            step[c][i] = (int32_t)(__builtin_sqrtf(light) * range + 0.5f);
        }
    uint16_t *deep = (uint16_t *)to + 3 * (ptrdiff_t)first;
    for (int i = 0; i < count; i++)
        for (int c = 0; c < 3; c++) deep[3 * i + c] = t->deep[step[c][i]];
}

INLINE void all_blocks(const struct koalarize_tables *tables, const struct koalarize_rows *rows) {
    for (int row = 0; row < rows->rows; row++)
        for (int first = 0; first < rows->width; first += BLOCK) {
            int count = rows->width - first;
            block(tables, rows, row, first, count < BLOCK ? count : BLOCK);
        }
}

#if defined(KOALARIZE_AVX2)
/* Whether this processor has AVX2 and the system keeps its registers. */
static int find_avx2(void) {
    unsigned a, b, c, d, kept, above;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return 0;
    const unsigned asked = 1u << 27 | 1u << 28; /* OSXSAVE, AVX */
    if ((c & asked) != asked) return 0;
    __asm__("xgetbv" : "=a"(kept), "=d"(above) : "c"(0));
    if ((kept & 6) != 6) return 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 5 & 1);
}

/* Asked once: cpuid leaves a virtual machine. Threads that ask together find the same. */
static int has_avx2(void) {
    static volatile int known = -1;
    if (known < 0) known = find_avx2();
    return known;
}

__attribute__((target("avx2"))) static void all_blocks_avx2(const struct koalarize_tables *tables,
                                                            const struct koalarize_rows *rows) {
    all_blocks(tables, rows);
}
#endif

/* wide: whether AVX2 may be used; tests compare both. */
KOALARIZE_EXPORT void koalarize_merge_rows(const struct koalarize_tables *tables,
                                           const struct koalarize_rows *rows, int wide) {
#if defined(KOALARIZE_AVX2)
    if (wide && has_avx2()) {
        all_blocks_avx2(tables, rows);
        return;
    }
#else
    (void)wide;
#endif
    all_blocks(tables, rows);
}

/* Bring rows of a grid to another width: out = weight * (right - left) + left. */
KOALARIZE_EXPORT void koalarize_widen(const float *grid, int64_t rows, int64_t grid_width,
                                      const int64_t *left, const int64_t *right,
                                      const float *weights, float *out, int64_t width) {
    for (int64_t row = 0; row < rows; row++, grid += grid_width, out += width)
        for (int64_t i = 0; i < width; i++) {
            float from = grid[left[i]];
            out[i] = weights[i] * (grid[right[i]] - from) + from;
        }
}
