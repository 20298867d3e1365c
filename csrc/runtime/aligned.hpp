// Memory that starts at a cache line.
#pragma once
#include <cstddef>
#include <memory>
#include <new>

namespace bitgrove::runtime {

constexpr std::size_t line = 64;

constexpr std::size_t whole_lines(std::size_t bytes) {
    return (bytes + line - 1) / line * line;
}

struct FreeAligned {
    void operator()(std::byte* p) const { ::operator delete[](p, std::align_val_t{line}); }
};
using Aligned = std::unique_ptr<std::byte[], FreeAligned>;

inline Aligned allocate(std::size_t bytes) {
    return Aligned(static_cast<std::byte*>(::operator new[](bytes, std::align_val_t{line})));
}

}  // namespace bitgrove::runtime
