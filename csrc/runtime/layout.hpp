// Where a value lies in memory: pixel after pixel, with a border that its readers need.
#pragma once
#include <cstddef>
#include <cstdint>

#include "window.hpp"

namespace bitgrove::runtime {

// Pixels around a value. Bits have no zero: there a pad of 0 is stored as -1, and the reader takes
// back what it contributed.
struct Border {
    Triple before{0, 0, 0}, after{0, 0, 0};
    int pad = 0;

    bool empty() const { return before == Triple{} && after == Triple{}; }
    bool operator==(const Border&) const = default;
};

struct Layout {
    Value value;
    Border border;

    std::size_t side(int axis) const {
        return border.before[axis] + value.shape.side(axis) + border.after[axis];
    }
    std::size_t pixel_bytes() const { return value.bytes() / value.shape.pixels(); }
    std::size_t row_bytes() const { return side(2) * pixel_bytes(); }
    std::size_t plane_bytes() const { return side(1) * row_bytes(); }
    std::size_t bytes() const { return side(0) * plane_bytes(); }
    // Of pixel (0, 0, 0).
    std::size_t origin() const {
        return border.before[0] * plane_bytes() + border.before[1] * row_bytes() +
               border.before[2] * pixel_bytes();
    }
    bool operator==(const Layout&) const = default;
};

// A value in one arena. Coordinates may be negative, down to the border.
struct View {
    std::byte* origin = nullptr;
    std::ptrdiff_t plane = 0, row = 0, pixel = 0;  // bytes from one to the next
    std::size_t ring = 0;                          // rows that are kept at a time, or 0: all

    View() = default;
    View(std::byte* memory, const Layout& layout)
        : origin(memory + layout.origin()),
          plane(static_cast<std::ptrdiff_t>(layout.plane_bytes())),
          row(static_cast<std::ptrdiff_t>(layout.row_bytes())),
          pixel(static_cast<std::ptrdiff_t>(layout.pixel_bytes())) {}

    std::byte* at(std::ptrdiff_t z, std::ptrdiff_t y, std::ptrdiff_t x) const {
        if (ring) y %= static_cast<std::ptrdiff_t>(ring);
        return origin + z * plane + y * row + x * pixel;
    }
    float* real(std::ptrdiff_t z, std::ptrdiff_t y, std::ptrdiff_t x) const {
        return reinterpret_cast<float*>(at(z, y, x));
    }
    std::uint64_t* bits(std::ptrdiff_t z, std::ptrdiff_t y, std::ptrdiff_t x) const {
        return reinterpret_cast<std::uint64_t*>(at(z, y, x));
    }
};

inline std::ptrdiff_t distance(std::size_t n) {
    return static_cast<std::ptrdiff_t>(n);
}

}  // namespace bitgrove::runtime
