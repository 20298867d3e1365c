// Reads the container that src/bitgrove/files/FORMAT.md specifies, and checks every byte of it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "json.hpp"

namespace bitgrove::files {

// A file is damaged, of another kind, newer than this reader, or holds what it must not.
struct FormatError : std::runtime_error {
    using std::runtime_error::runtime_error;
};

struct Tensor {
    std::string dtype;  // as safetensors names it: "F32", "F16", "U8", …
    std::vector<std::size_t> shape;
    std::span<const std::byte> bytes;  // of the file, row-major, little-endian, at any alignment
};

struct Container {
    std::int64_t version;
    std::map<std::string, Tensor, std::less<>> tensors;
    json::Value metadata;  // an object
};

// `raw` is the whole file and must outlive the result. Throws FormatError; no memory beyond a small
// multiple of the file's size is asked for. `newest` is the newest version that the caller knows.
Container read(std::span<const std::byte> raw, std::string_view kind, std::int64_t newest);

}  // namespace bitgrove::files
