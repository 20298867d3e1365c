// What a filter reads at one pixel: stretches of neighbouring numbers, in order.
//
// A convolution over a value stored pixel by pixel reads, for each row of its kernel, one stretch
// of (columns * channels) numbers, or one stretch per tap where it is dilated or grouped. All
// pixels of an output row read the same stretches, a constant stride apart.
#pragma once
#include <cstddef>

namespace bitgrove {

struct Run {
    std::ptrdiff_t offset;  // from the pixel's address, in elements
    std::size_t length;     // in elements
};

}  // namespace bitgrove
