// Products of bytes over vectors of any width, 4 bytes of a patch at a time. Included inside a
// target region; `Vector` names the width and its instructions:
//
//     struct Vector { using Lanes: 32-bit integers; static constexpr std::size_t width;
//                     using Weight, Input: as they are multiplied, bytes or 16 bits wide;
//                     load; everywhere: 4 bytes in all lanes; dot: adds products;
//                     keep, resume: the first n sums, in between spans;
//                     reals: the first n of scale or bias; finish: the first n outputs }
//
// Where an input is wider than a byte, the patch is widened first.
//
// No include guard on purpose: the namespace is the including file's own.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "../parts.hpp"
#include "bitgrove/byte_dots.hpp"

namespace bitgrove::byte_dots {
namespace {

// Filters: [block of `width`][group of weights][filter][weight]; a group fills 4 bytes.
template <typename Vector>
struct Tiles {
    using Weight = typename Vector::Weight;
    using Input = typename Vector::Input;
    using Lanes = typename Vector::Lanes;
    using Element = std::uint8_t;
    static constexpr std::size_t most_pixels = Vector::most_pixels;
    static constexpr std::size_t step = 4;
    static constexpr std::size_t span = 256;
    static constexpr std::size_t width = Vector::width;
    static constexpr std::size_t group = 4 / sizeof(Weight);

    static std::size_t block_bytes(std::size_t size) {
        return (size * width * sizeof(Weight) + 63) / 64 * 64;
    }

    static void pack(const std::int8_t* rows, std::size_t outs, std::size_t size, void* to) {
        auto* block = static_cast<unsigned char*>(to);
        for (std::size_t o = 0; o < outs; o += width, block += block_bytes(size)) {
            std::fill_n(block, block_bytes(size), static_cast<unsigned char>(0));
            auto* weight = reinterpret_cast<Weight*>(block);
            for (std::size_t i = 0; i < std::min(width, outs - o); ++i) {
                for (std::size_t k = 0; k < size; ++k) {
                    weight[(k / group * width + i) * group + k % group] = rows[(o + i) * size + k];
                }
            }
        }
    }

    template <std::size_t PIXELS, std::size_t VECTORS>
    static void blocks(const ByteDots& d, const Part<Element>& part, const Input* const* x,
                       const std::ptrdiff_t* offsets, std::size_t groups, std::size_t o) {
        const std::size_t block = block_bytes(d.size);
        const auto* weight = static_cast<const unsigned char*>(d.weight) + o / width * block +
                             part.from * step * width * sizeof(Weight);
        const auto in = [&](std::size_t v) { return std::min(width, d.outs - o - v * width); };
        Lanes sum[PIXELS][VECTORS];
#pragma GCC unroll 16
        for (std::size_t p = 0; p < PIXELS; ++p) {
            const float* kept = part.out + p * d.out_stride + o;
#pragma GCC unroll 16
            for (std::size_t v = 0; v < VECTORS; ++v) {
                const void* from = part.from == 0
                                       ? static_cast<const void*>(d.offset + o + v * width)
                                       : kept + v * width;
                sum[p][v] = Vector::resume(in(v), from);
            }
        }
        const std::ptrdiff_t* const end = offsets + groups;
        do {
            Lanes filters[VECTORS];
#pragma GCC unroll 16
            for (std::size_t v = 0; v < VECTORS; ++v) {
                filters[v] = Vector::load(weight + v * block);
            }
            weight += 4 * width;
#pragma GCC unroll 16
            for (std::size_t p = 0; p < PIXELS; ++p) {
                const Lanes patch = Vector::everywhere(x[p] + *offsets);
#pragma GCC unroll 16
                for (std::size_t v = 0; v < VECTORS; ++v) {
                    sum[p][v] = Vector::dot(sum[p][v], patch, filters[v]);
                }
            }
        } while (++offsets != end);
        const bool last = step * (part.from + part.steps) == d.size;
        const std::size_t stride = d.out_stride;
#pragma GCC unroll 16
        for (std::size_t v = 0; v < VECTORS; ++v) {
            const std::size_t at = o + v * width, n = in(v);
            float* to = part.out + at;
            if (last) {
                const auto scale = Vector::reals(n, d.scale + at),
                           bias = Vector::reals(n, d.bias + at);
#pragma GCC unroll 16
                for (std::size_t p = 0; p < PIXELS; ++p, to += stride) {
                    Vector::finish(n, sum[p][v], scale, bias, to);
                }
            } else {
#pragma GCC unroll 16
                for (std::size_t p = 0; p < PIXELS; ++p, to += stride) {
                    Vector::keep(n, sum[p][v], to);
                }
            }
        }
    }

    template <std::size_t PIXELS>
    static void part(const ByteDots& d, const Part<Element>& part) {
        const Input* x[PIXELS];
        constexpr bool wide = !std::is_same_v<Input, Element>;
        Input widened[wide ? PIXELS : 1][wide ? step * span : 1];
        std::ptrdiff_t places[wide ? step * span / group : 1];
        const std::ptrdiff_t* offsets = part.offsets;
        std::size_t groups = part.steps;
        for (std::size_t p = 0; p < PIXELS; ++p) {
            const Element* bytes = part.x + static_cast<std::ptrdiff_t>(p) * d.pixel_stride;
            if constexpr (wide) {
                for (std::size_t k = 0; k < part.steps; ++k) {
                    Vector::widen(bytes + part.offsets[k], widened[p] + step * k);
                }
                x[p] = widened[p];
            } else {
                x[p] = bytes;
                asm("" : "+r"(x[p]));  // else they are worked out anew for every group
            }
        }
        if constexpr (wide) {
            groups = part.steps * step / group;
            for (std::size_t k = 0; k < groups; ++k) {
                places[k] = static_cast<std::ptrdiff_t>(group * k);
            }
            offsets = places;
        }
        constexpr std::size_t most = Vector::most_vectors;
        std::size_t o = 0;
        for (; o + (most - 1) * width < d.outs; o += most * width) {
            blocks<PIXELS, most>(d, part, x, offsets, groups, o);
        }
        for (; o < d.outs; o += width) blocks<PIXELS, 1>(d, part, x, offsets, groups, o);
    }

    static void run(const ByteDots& d) { walk<Tiles>(d, d.size / step); }
};

}  // namespace
}  // namespace bitgrove::byte_dots
