/* Classifies one picture with a packed model, in C11 (the API itself is C99).
 *
 *     cc classify.c -o classify -lbitgrove -lm
 *     ./classify m.grove picture.ppm
 *
 * The picture is a binary PPM (P6) or PGM (P5) file of exactly the size that the model takes.
 * Without one, the model runs on noise, to show that it runs and how fast.
 */
#include <bitgrove.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TOP = 5, RUNS = 11 };

static int fail(const char* what) {
    fprintf(stderr, "classify: %s\n", what);
    return EXIT_FAILURE;
}

/* The next number in the header of a picture, past blanks and comments; -1 if there is none. */
static long number(FILE* file) {
    int c = fgetc(file);
    while (isspace(c) || c == '#') {
        if (c == '#') {
            while (c != '\n' && c != EOF) c = fgetc(file);
        } else {
            c = fgetc(file);
        }
    }
    if (!isdigit(c)) return -1;
    long value = 0;
    for (; isdigit(c) && value < 1000000; c = fgetc(file)) value = 10 * value + (c - '0');
    return value; /* and the one blank behind it is read */
}

/* Reads a picture of the model's size as pixels[h][w][c]; 0 if all went well. */
static int read_picture(const char* path, const bitgrove_model* model, uint8_t* pixels) {
    const size_t channels = bitgrove_input_size(model, 0), height = bitgrove_input_size(model, 1);
    const size_t width = bitgrove_input_size(model, 2);
    FILE* file = fopen(path, "rb");
    if (!file) return fail("the picture cannot be opened");
    int failed = 0;
    if (fgetc(file) != 'P' || fgetc(file) != (channels == 1 ? '5' : '6')) {
        failed = fail(channels == 1 ? "no binary PGM file" : "no binary PPM file");
    } else if (number(file) != (long)width || number(file) != (long)height) {
        fprintf(stderr, "classify: the picture must be %zu pixels wide and %zu high\n", width,
                height);
        failed = EXIT_FAILURE;
    } else if (number(file) != 255) {
        failed = fail("the picture's largest value must be 255");
    } else if (fread(pixels, channels, width * height, file) != width * height) {
        failed = fail("the picture is cut short");
    }
    fclose(file);
    return failed;
}

static void make_noise(float* x, size_t count) {
    uint32_t state = 1;
    for (size_t i = 0; i < count; ++i) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
}

static double seconds(void) {
    struct timespec now;
    timespec_get(&now, TIME_UTC);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* The best logits with their share after a softmax, the best one first. */
static void print_best(const bitgrove_model* model, const float* logits) {
    const size_t count = bitgrove_logit_count(model);
    size_t best[TOP], found = 0;
    double total = 0;
    for (size_t i = 0; i < count; ++i) {
        size_t at = found < TOP ? found++ : TOP;
        for (; at > 0 && logits[i] > logits[best[at - 1]]; --at) {
            if (at < TOP) best[at] = best[at - 1];
        }
        if (at < TOP) best[at] = i;
    }
    for (size_t i = 0; i < count; ++i) total += exp((double)logits[i] - logits[best[0]]);
    for (size_t rank = 0; rank < found; ++rank) {
        const float logit = logits[best[rank]];
        const char* label = bitgrove_label(model, best[rank]);
        char digits[32];
        snprintf(digits, sizeof digits, "%zu", best[rank]);
        printf("%6.2f %%  %-20s logit %.9g\n", 100 * exp((double)logit - logits[best[0]]) / total,
               label ? label : digits, logit);
    }
}

static int run(const bitgrove_model* model, const char* picture) {
    char error[512];
    const size_t count = bitgrove_input_count(model);
    float* x = malloc(count * sizeof *x);
    uint8_t* pixels = malloc(count);
    float* logits = malloc(bitgrove_logit_count(model) * sizeof *logits);
    int failed = x && pixels && logits ? 0 : fail("not enough memory");
    if (!failed && picture) {
        if (!bitgrove_has_preprocessing(model)) {
            failed = fail("this model does not say how pixels become its input");
        } else {
            failed = read_picture(picture, model, pixels);
        }
        if (!failed && bitgrove_preprocess(model, pixels, 1, x, error, sizeof error)) {
            failed = fail(error);
        }
    } else if (!failed) {
        puts("no picture given: noise");
        make_noise(x, count);
    }
    double fastest = INFINITY;
    for (int i = 0; i < RUNS && !failed; ++i) {
        const double start = seconds();
        if (bitgrove_run(model, x, 1, logits, 1, error, sizeof error)) failed = fail(error);
        const double took = seconds() - start;
        fastest = took < fastest ? took : fastest;
    }
    if (!failed) {
        print_best(model, logits);
        printf("%.3f ms (the fastest of %d runs), %s, %zu bytes while running\n", 1e3 * fastest,
               RUNS, bitgrove_simd_level(), bitgrove_run_bytes(model));
    }
    free(logits);
    free(pixels);
    free(x);
    return failed;
}

int main(int argc, char** argv) {
    if (argc < 2 || argc > 3) return fail("usage: classify MODEL.grove [PICTURE.ppm]");
    char error[512];
    bitgrove_model* model = bitgrove_load(argv[1], error, sizeof error);
    if (!model) return fail(error);
    const int failed = run(model, argc == 3 ? argv[2] : NULL);
    bitgrove_free(model);
    return failed;
}
