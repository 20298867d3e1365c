/* bitgrove: runs packed vision models (.grove files) on any CPU, in C99 and without dependencies.
 *
 *     char error[256];
 *     bitgrove_model* model = bitgrove_load("m.grove", error, sizeof error);
 *     if (!model) { fprintf(stderr, "%s\n", error); return 1; }
 *     float* logits = malloc(bitgrove_logit_count(model) * sizeof *logits);
 *     if (bitgrove_run(model, x, 1, logits, 1, error, sizeof error)) { ... }
 *     bitgrove_free(model);
 *
 * Functions that can fail take `error`, room for `error_size` bytes: it becomes "" or one line in
 * UTF-8 that says what is wrong, cut to fit and always ended by NUL. It may be NULL if `error_size`
 * is 0. No C++ exception leaves the library, and no file, however damaged, ends the process.
 *
 * A model does not change once it is loaded: any number of threads may use one at once, but for
 * bitgrove_free. Results are those of bitgrove.runtime in Python, bit for bit, and depend neither
 * on the number of images that are run together nor on that of threads.
 *
 * The examples that a file may remember, which Python's Session.predict asks, are not read.
 */
#ifndef BITGROVE_H
#define BITGROVE_H

#include <stddef.h>
#include <stdint.h>

#define BITGROVE_VERSION_MAJOR 0
#define BITGROVE_VERSION_MINOR 1
#define BITGROVE_VERSION_PATCH 0

#if defined(__GNUC__)
#define BITGROVE_API __attribute__((visibility("default")))
#else
#define BITGROVE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bitgrove_model bitgrove_model;

/* Version of the library that runs, as "0.1.0"; the macros above are that of the header. */
BITGROVE_API const char* bitgrove_version(void);

/* Newest version of the .grove format that this library reads. */
BITGROVE_API int bitgrove_format_version(void);

/* Name of the instructions in use: "scalar", "avx2", "avx512", …; the fastest that this CPU has, or
 * what the environment variable BITGROVE_SIMD names. NULL if it names one that this CPU lacks. */
BITGROVE_API const char* bitgrove_simd_level(void);

/* Reads a file. NULL, with the reason in `error`, if it cannot be read, is damaged, or holds what
 * no packed model can. */
BITGROVE_API bitgrove_model* bitgrove_load(const char* path, char* error, size_t error_size);

/* The same from the `size` bytes of a file, which may be given back afterwards. */
BITGROVE_API bitgrove_model* bitgrove_load_memory(const void* bytes, size_t size, char* error,
                                                  size_t error_size);

/* Frees a model that nobody uses any more; NULL is ignored. */
BITGROVE_API void bitgrove_free(bitgrove_model* model);

/* One image is float32 with 2 to 4 axes, the channels first: (c, l) for a series, (c, h, w) for a
 * picture, (c, d, h, w) for a volume. Number of axes; size of axis 0, 1, …, or 0 if there is no
 * such axis; product of the sizes. */
BITGROVE_API size_t bitgrove_input_rank(const bitgrove_model* model);
BITGROVE_API size_t bitgrove_input_size(const bitgrove_model* model, size_t axis);
BITGROVE_API size_t bitgrove_input_count(const bitgrove_model* model);

/* Numbers that one image gives: class scores, and the embedding that describes it. */
BITGROVE_API size_t bitgrove_logit_count(const bitgrove_model* model);
BITGROVE_API size_t bitgrove_embedding_count(const bitgrove_model* model);

/* Name of logit i in UTF-8, valid as long as the model; NULL if the model names no logits or `i` is
 * past the last one. A lone surrogate, by which Python names a byte that is no UTF-8, is kept as
 * the three bytes that UTF-8 would give it. */
BITGROVE_API const char* bitgrove_label(const bitgrove_model* model, size_t i);

/* Bytes that each thread takes while it runs, beside the model itself. */
BITGROVE_API size_t bitgrove_run_bytes(const bitgrove_model* model);

/* Runs n images. x: n * bitgrove_input_count numbers without NaN, standardised as in training.
 * logits: room for n * bitgrove_logit_count numbers. threads: 1 to 1024 that share the images, or
 * one image. 0 if all went well; else another number, the reason in `error`, and `logits` holds
 * nothing of use. */
BITGROVE_API int bitgrove_run(const bitgrove_model* model, const float* x, size_t n, float* logits,
                              size_t threads, char* error, size_t error_size);

/* The same for embeddings: room for n * bitgrove_embedding_count numbers. */
BITGROVE_API int bitgrove_embed(const bitgrove_model* model, const float* x, size_t n,
                                float* embeddings, size_t threads, char* error, size_t error_size);

/* 1 if the model says how pixels become its input, else 0. */
BITGROVE_API int bitgrove_has_preprocessing(const bitgrove_model* model);

/* Standardises n pictures: pixels[n][h][w][c], 0 to 255, of the sizes that the model takes (grey
 * for one channel, RGB for three), become x[n][c][h][w]. Nothing is resized or turned. Returns as
 * bitgrove_run. */
BITGROVE_API int bitgrove_preprocess(const bitgrove_model* model, const uint8_t* pixels, size_t n,
                                     float* x, char* error, size_t error_size);

#ifdef __cplusplus
}
#endif
#endif
