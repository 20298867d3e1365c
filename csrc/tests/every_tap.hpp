// A window's taps one by one, for what the executor's stretches of memory are compared with.
#pragma once
#include "../runtime/window.hpp"

namespace bitgrove::runtime {

// Calls visit(tap, inside, pixel of the input) for every tap of the window over output `o`; the
// pixel means nothing where the tap is not inside.
template <typename F>
void every_tap(const Window& window, const Shape& in, const Triple& o, F visit) {
    std::size_t tap = 0, z, y, x;
    for (std::size_t td = 0; td < window.kernel[0]; ++td) {
        const bool in_z = window.source(o[0], td, in.d, 0, z);
        for (std::size_t th = 0; th < window.kernel[1]; ++th) {
            const bool in_y = window.source(o[1], th, in.h, 1, y) && in_z;
            for (std::size_t tw = 0; tw < window.kernel[2]; ++tw, ++tap) {
                const bool inside = window.source(o[2], tw, in.w, 2, x) && in_y;
                visit(tap, inside, (z * in.h + y) * in.w + x);
            }
        }
    }
}

}  // namespace bitgrove::runtime
