// The C API: no exception passes it, and what can be wrong becomes a text.
#include "bitgrove.h"

#include <algorithm>
#include <exception>
#include <limits>
#include <new>

#include "../dispatch/table.hpp"
#include "../files/utf8.hpp"
#include "../model/model.hpp"
#include "read_file.hpp"

struct bitgrove_model {
    bitgrove::model::Model model;
};

namespace {

using bitgrove::runtime::require;

// One line of UTF-8: what a file or a path holds beside that becomes a question mark.
void say(std::string_view text, char* error, size_t error_size) {
    if (!error || error_size == 0) return;
    size_t length = 0;
    for (size_t at = 0; at < text.size();) {
        const size_t first = at;
        const std::uint32_t c = bitgrove::utf8::decode(text, at);
        const bool shown = c != bitgrove::utf8::no_character && c >= 0x20 && c != 0x7f;
        if (c == bitgrove::utf8::no_character) ++at;
        const std::string_view next = shown ? text.substr(first, at - first) : "?";
        if (length + next.size() >= error_size) break;
        length += next.copy(error + length, next.size());
    }
    error[length] = '\0';
}

// What `work` returns, or `failed` with the reason in `error`.
template <typename Result, typename Work>
Result guarded(Result failed, char* error, size_t error_size, Work work) {
    try {
        say("", error, error_size);
        return work();
    } catch (const std::bad_alloc&) {
        say("not enough memory", error, error_size);
    } catch (const std::exception& reason) {
        say(reason.what(), error, error_size);
    } catch (...) {
        say("unknown error", error, error_size);
    }
    return failed;
}

bitgrove_model* load(std::span<const std::byte> file) {
    return new bitgrove_model{bitgrove::model::Model(file)};
}

void require_rows(const bitgrove_model* model, const void* from, std::size_t n, const void* to) {
    require(model, "model is NULL");
    require(n == 0 || (from && to), "an array is NULL");
    const auto& m = model->model;
    const std::size_t most = std::max({m.input_values(), m.logits(), m.embedding()});
    require(n <= std::numeric_limits<std::ptrdiff_t>::max() / sizeof(float) / most,
            "n is larger than any memory");
}

}  // namespace

const char* bitgrove_version(void) {
#define TEXT_OF(a, b, c) #a "." #b "." #c
#define TEXT(a, b, c) TEXT_OF(a, b, c)
    return TEXT(BITGROVE_VERSION_MAJOR, BITGROVE_VERSION_MINOR, BITGROVE_VERSION_PATCH);
}

int bitgrove_format_version(void) {
    return bitgrove::model::newest_version;
}

const char* bitgrove_simd_level(void) {
    return guarded<const char*>(nullptr, nullptr, 0, [] { return bitgrove::active().name; });
}

bitgrove_model* bitgrove_load(const char* path, char* error, size_t error_size) {
    return guarded<bitgrove_model*>(nullptr, error, error_size, [&] {
        require(path, "path is NULL");
        bitgrove::active();  // says now, and not of the file, what is wrong with BITGROVE_SIMD
        try {
            return load(bitgrove::c_api::FileBytes(path).all());
        } catch (const std::bad_alloc&) {
            throw;
        } catch (const std::exception& reason) {
            throw std::runtime_error(std::string(path) + ": " + reason.what());
        }
    });
}

bitgrove_model* bitgrove_load_memory(const void* bytes, size_t size, char* error,
                                     size_t error_size) {
    return guarded<bitgrove_model*>(nullptr, error, error_size, [&] {
        require(bytes || size == 0, "bytes is NULL");
        bitgrove::active();  // and not at the first run
        return load({static_cast<const std::byte*>(bytes), size});
    });
}

void bitgrove_free(bitgrove_model* model) {
    delete model;
}

size_t bitgrove_input_rank(const bitgrove_model* model) {
    return model ? model->model.input().size() : 0;
}

size_t bitgrove_input_size(const bitgrove_model* model, size_t axis) {
    return axis < bitgrove_input_rank(model) ? model->model.input()[axis] : 0;
}

size_t bitgrove_input_count(const bitgrove_model* model) {
    return model ? model->model.input_values() : 0;
}

size_t bitgrove_logit_count(const bitgrove_model* model) {
    return model ? model->model.logits() : 0;
}

size_t bitgrove_embedding_count(const bitgrove_model* model) {
    return model ? model->model.embedding() : 0;
}

const char* bitgrove_label(const bitgrove_model* model, size_t i) {
    return model && i < model->model.labels().size() ? model->model.labels()[i].c_str() : nullptr;
}

size_t bitgrove_run_bytes(const bitgrove_model* model) {
    return model ? model->model.run_bytes() : 0;
}

int bitgrove_run(const bitgrove_model* model, const float* x, size_t n, float* logits,
                 size_t threads, char* error, size_t error_size) {
    return guarded(1, error, error_size, [&] {
        require_rows(model, x, n, logits);
        model->model.run(x, n, logits, nullptr, threads);
        return 0;
    });
}

int bitgrove_embed(const bitgrove_model* model, const float* x, size_t n, float* embeddings,
                   size_t threads, char* error, size_t error_size) {
    return guarded(1, error, error_size, [&] {
        require_rows(model, x, n, embeddings);
        model->model.run(x, n, nullptr, embeddings, threads);
        return 0;
    });
}

int bitgrove_has_preprocessing(const bitgrove_model* model) {
    return model && model->model.preprocessing() ? 1 : 0;
}

int bitgrove_preprocess(const bitgrove_model* model, const uint8_t* pixels, size_t n, float* x,
                        char* error, size_t error_size) {
    return guarded(1, error, error_size, [&] {
        require_rows(model, pixels, n, x);
        require(bitgrove_has_preprocessing(model),
                "this model was packed without preprocessing: run standardised numbers instead");
        model->model.preprocessing()->normalise(pixels, n, x);
        return 0;
    });
}
