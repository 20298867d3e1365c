// Pooling and depthwise convolution along a row of pixels over vectors of any width. Included
// inside a target region, after the region's `Vector`.
//
// A tile of pixels x vectors of channels stays in registers over the taps. Pixels come in tiles,
// and all channels of a tile before the next pixels: neighbouring pixels read the same numbers,
// and channels lie side by side.
//
// No include guard on purpose: the including file has it to itself.
#include <cstddef>

#include "bitgrove/taps.hpp"

namespace bitgrove::taps {
namespace {

// What a tap does to what came before it.
struct Maximum {
    static constexpr bool weighted = false, first_tap = true;
    static Vector::Lanes step(Vector::Lanes so_far, Vector::Lanes x, Vector::Lanes) {
        return Vector::max(so_far, x);
    }
};

struct Sum {
    static constexpr bool weighted = false, first_tap = false;
    static Vector::Lanes step(Vector::Lanes so_far, Vector::Lanes x, Vector::Lanes) {
        return Vector::add(so_far, x);
    }
};

struct Weighted {
    static constexpr bool weighted = true, first_tap = false;
    static Vector::Lanes step(Vector::Lanes so_far, Vector::Lanes x, Vector::Lanes weight) {
        return Vector::fma(weight, x, so_far);
    }
};

// All lanes, where a tail has a mask.
struct All {};

inline Vector::Lanes load(const float* p, All) {
    return Vector::load(p);
}
inline Vector::Lanes load(const float* p, Vector::Mask mask) {
    return Vector::load(p, mask);
}
inline void store(float* p, Vector::Lanes x, All) {
    Vector::store(p, x);
}
inline void store(float* p, Vector::Lanes x, Vector::Mask mask) {
    Vector::store(p, x, mask);
}

// PIXELS pixels from x and VECTORS vectors of channels from c.
template <typename Tap, std::size_t PIXELS, std::size_t VECTORS, typename Lanes>
inline void tile(const Taps& job, const float* x, float* out, std::size_t c, Lanes lanes) {
    constexpr std::size_t width = Vector::width;
    Vector::Lanes so_far[PIXELS][VECTORS];
    const float* pixels[PIXELS];
#pragma GCC unroll 8
    for (std::size_t p = 0; p < PIXELS; ++p) {
        pixels[p] = x + static_cast<std::ptrdiff_t>(p) * job.pixel_stride + c;
        // Or the compiler makes one address from the other again for every number.
        __asm__("" : "+r"(pixels[p]));
#pragma GCC unroll 8
        for (std::size_t v = 0; v < VECTORS; ++v) {
            so_far[p][v] = Vector::zero();
            if (Tap::first_tap) so_far[p][v] = load(pixels[p] + job.offsets[0] + width * v, lanes);
            if (Tap::weighted && job.bias) so_far[p][v] = load(job.bias + c + width * v, lanes);
        }
    }
    const std::size_t count = job.count, channels = job.channels;
    const std::ptrdiff_t* offsets = job.offsets;
    const float* weights = Tap::weighted ? job.weight + c : nullptr;
    for (std::size_t t = Tap::first_tap; t < count; ++t) {
        const std::ptrdiff_t offset = offsets[t];
#pragma GCC unroll 8
        for (std::size_t v = 0; v < VECTORS; ++v) {
            auto weight = Vector::zero();
            if (Tap::weighted) weight = load(weights + t * channels + width * v, lanes);
#pragma GCC unroll 8
            for (std::size_t p = 0; p < PIXELS; ++p) {
                const auto number = load(pixels[p] + offset + width * v, lanes);
                so_far[p][v] = Tap::step(so_far[p][v], number, weight);
            }
        }
    }
    const std::size_t stride = job.out_stride;
#pragma GCC unroll 8
    for (std::size_t p = 0; p < PIXELS; ++p) {
#pragma GCC unroll 8
        for (std::size_t v = 0; v < VECTORS; ++v) {
            store(out + p * stride + c + width * v, so_far[p][v], lanes);
        }
    }
}

// All channels of PIXELS pixels, the fewer the pixels the more vectors at a time.
template <typename Tap, std::size_t PIXELS>
inline void band(const Taps& job, const float* x, float* out) {
    constexpr std::size_t width = Vector::width, vectors = 8 / PIXELS;
    std::size_t c = 0;
    for (; c + vectors * width <= job.channels; c += vectors * width) {
        tile<Tap, PIXELS, vectors>(job, x, out, c, All{});
    }
    for (; c + width <= job.channels; c += width) tile<Tap, PIXELS, 1>(job, x, out, c, All{});
    if (c < job.channels) {
        tile<Tap, PIXELS, 1>(job, x, out, c, Vector::first(job.channels - c));
    }
}

// A copy of the job: what is stored could otherwise be the job, for all the compiler knows.
template <typename Tap>
void run(const Taps& given) {
    const Taps job = given;
    const auto x = [&](std::size_t p) {
        return job.x + static_cast<std::ptrdiff_t>(p) * job.pixel_stride;
    };
    std::size_t p = 0;
    for (; p + 4 <= job.pixels; p += 4) band<Tap, 4>(job, x(p), job.out + p * job.out_stride);
    for (; p + 2 <= job.pixels; p += 2) band<Tap, 2>(job, x(p), job.out + p * job.out_stride);
    for (; p < job.pixels; ++p) band<Tap, 1>(job, x(p), job.out + p * job.out_stride);
}

constexpr TapsKernels kernels{.maximum = run<Maximum>, .sum = run<Sum>, .weighted = run<Weighted>};

}  // namespace
}  // namespace bitgrove::taps
