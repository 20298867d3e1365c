// Memory for the big arrays of an index: aligned, in huge pages where the system allows them, and
// shared, so that a view that was handed out keeps it alive. An array may also belong to a mapped
// file; then its owner travels with the pointer.
#pragma once
#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace bitgrove::graph {

template <typename T>
using Block = std::shared_ptr<T[]>;

// Uninitialised room for `count` elements, at least one.
template <typename T>
Block<T> allocate_block(std::size_t count) {
    static_assert(std::is_trivial_v<T>);
    constexpr std::size_t kLine = 64, kHuge = std::size_t{2} << 20;
    const std::size_t bytes = (count * sizeof(T) + kLine - 1) / kLine * kLine + kLine;
    const bool huge = bytes >= 2 * kHuge;
    const std::align_val_t alignment{huge ? kHuge : kLine};
    void* const memory = ::operator new(bytes, alignment);
#if defined(__linux__)
    if (huge) madvise(memory, bytes, MADV_HUGEPAGE);
#endif
    return Block<T>(static_cast<T*>(memory), [=](T* p) { ::operator delete(p, alignment); });
}

// Memory of someone else, kept alive by `owner`.
template <typename T>
Block<T> borrowed_block(T* data, std::shared_ptr<void> owner) {
    return Block<T>(std::move(owner), data);
}

}  // namespace bitgrove::graph
