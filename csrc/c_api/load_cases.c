/* Loads and runs the models that come on stdin, for the fuzzer in tests/c_api/fuzz.py.
 *
 * A model is the number of its bytes, uint64, and the bytes. For each, one line is written:
 * "refused" and the reason, or "loaded" and the logits' bits as hexadecimal digits, or "large" if
 * the model is too large to be run in passing. */
#include <bitgrove.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { MOST_BYTES = 1 << 22, MOST_NUMBERS = 1 << 16 };

static void run(const bitgrove_model* model) {
    char error[256];
    const size_t count = bitgrove_input_count(model), logits = bitgrove_logit_count(model);
    if (bitgrove_run_bytes(model) > MOST_BYTES || count > MOST_NUMBERS || logits > MOST_NUMBERS) {
        puts("large");
        return;
    }
    float* x = malloc(count * sizeof *x);
    float* out = malloc(logits * sizeof *out);
    if (!x || !out) exit(EXIT_FAILURE);
    for (size_t i = 0; i < count; ++i) x[i] = (float)(i % 7) - 3;
    if (bitgrove_run(model, x, 1, out, 1, error, sizeof error)) {
        printf("cannot run: %s\n", error);
    } else {
        fputs("loaded ", stdout);
        for (size_t i = 0; i < logits * sizeof *out; ++i) printf("%02x", ((unsigned char*)out)[i]);
        puts("");
    }
    free(out);
    free(x);
}

int main(void) {
    uint64_t size;
    while (fread(&size, sizeof size, 1, stdin) == 1) {
        char error[256];
        void* bytes = malloc(size ? size : 1); /* of this size, so that reading past it is seen */
        if (!bytes || fread(bytes, 1, size, stdin) != size) return EXIT_FAILURE;
        bitgrove_model* model = bitgrove_load_memory(bytes, size, error, sizeof error);
        free(bytes);
        if (model) {
            run(model);
        } else {
            printf("refused %s\n", error);
        }
        fflush(stdout);
        bitgrove_free(model);
    }
    return EXIT_SUCCESS;
}
