// Real convolution along a row of pixels over vectors of any width. Included inside a target
// region, after the region's `Vector`. `Tile` names the vector and the registers to use:
//
//     struct Tile { using V = Vector; static constexpr std::size_t cols, accumulators; }
//
// A block holds the filters of cols vectors of outputs, weight by weight: [k][cols * width]. A tile
// of pixels x vectors stays in registers over the whole of k; each number of the input is spread
// over a register once and meets all vectors of the tile.
//
// No include guard on purpose: the including file has it to itself.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "bitgrove/real_dots.hpp"

namespace bitgrove::real_dots {
namespace {

constexpr std::size_t whole_lines(std::size_t bytes) {
    return (bytes + 63) / 64 * 64;
}

template <typename Tile>
constexpr std::size_t block_outs() {
    return Tile::V::width * Tile::cols;
}

template <typename Tile>
std::size_t block_bytes(std::size_t size) {
    return whole_lines(size * block_outs<Tile>() * sizeof(float));
}

// Four bytes more, because bits are read four bytes at a time.
template <typename Tile>
std::size_t sign_block_bytes(std::size_t size) {
    return whole_lines(size * block_outs<Tile>() / 8 + 4);
}

template <typename Tile>
void pack(const float* rows, std::size_t outs, std::size_t size, void* to) {
    constexpr std::size_t block = block_outs<Tile>();
    const std::size_t bytes = block_bytes<Tile>(size);
    for (std::size_t start = 0; start < outs; start += block) {
        auto* blocked = static_cast<float*>(to) + start / block * (bytes / sizeof(float));
        std::memset(blocked, 0, bytes);
        for (std::size_t o = start; o < outs && o < start + block; ++o) {
            for (std::size_t k = 0; k < size; ++k)
                blocked[k * block + o - start] = rows[o * size + k];
        }
    }
}

template <typename Tile>
void pack_signs(const std::uint64_t* rows, std::size_t outs, std::size_t size, void* to) {
    constexpr std::size_t block = block_outs<Tile>();
    const std::size_t bytes = sign_block_bytes<Tile>(size), words = (size + 63) / 64;
    for (std::size_t start = 0; start < outs; start += block) {
        auto* blocked = static_cast<unsigned char*>(to) + start / block * bytes;
        std::memset(blocked, 0, bytes);
        for (std::size_t o = start; o < outs && o < start + block; ++o) {
            const std::size_t lane = o - start;
            for (std::size_t k = 0; k < size; ++k) {
                const auto bit = rows[o * words + k / 64] >> (k % 64) & 1;
                blocked[k * block / 8 + lane / 8] |= static_cast<unsigned char>(bit << lane % 8);
            }
        }
    }
}

// How the weights of a block become vectors: as they are, or from bits.
template <typename Tile>
struct Reals {
    static constexpr std::size_t step = block_outs<Tile>() * sizeof(float);
    static std::size_t bytes(std::size_t size) { return block_bytes<Tile>(size); }
    static typename Tile::V::Lanes load(const unsigned char* at, std::size_t q) {
        return Tile::V::load(reinterpret_cast<const float*>(at) + Tile::V::width * q);
    }
};

template <typename Tile>
struct Signs {
    static constexpr std::size_t step = block_outs<Tile>() / 8;
    static std::size_t bytes(std::size_t size) { return sign_block_bytes<Tile>(size); }
    static typename Tile::V::Lanes load(const unsigned char* at, std::size_t q) {
        return Tile::V::signs(at, q);
    }
};

// The place of a tile: its first pixel, its first block and its first output.
struct Place {
    const float* x;
    const unsigned char* weight;
    const float* bias;
    float* out;
    std::size_t outs;
};

template <typename Tile, typename Weights, std::size_t PIXELS, std::size_t COLS>
void tile(const RealDots& job, const Place& at) {
    using V = typename Tile::V;
    const bool whole = at.outs >= V::width * COLS;
    const auto last = V::first(at.outs - V::width * (COLS - 1));
    typename V::Lanes sum[PIXELS][COLS];
    for (std::size_t q = 0; q < COLS; ++q) {
        auto start = V::zero();
        if (at.bias && (whole || q + 1 < COLS)) {
            start = V::load(at.bias + V::width * q);
        } else if (at.bias) {
            start = V::load(at.bias + V::width * q, last);
        }
        for (std::size_t p = 0; p < PIXELS; ++p) sum[p][q] = start;
    }
    const unsigned char* weight = at.weight;
    for (std::size_t r = 0; r < job.run_count; ++r) {
        const float* x = at.x + job.runs[r].offset;
        for (std::size_t i = 0; i < job.runs[r].length; ++i, weight += Weights::step) {
            typename V::Lanes right[COLS];
            for (std::size_t q = 0; q < COLS; ++q) right[q] = Weights::load(weight, q);
            for (std::size_t p = 0; p < PIXELS; ++p) {
                const auto left = V::set(x[i + static_cast<std::ptrdiff_t>(p) * job.pixel_stride]);
                for (std::size_t q = 0; q < COLS; ++q)
                    sum[p][q] = V::fma(left, right[q], sum[p][q]);
            }
        }
    }
    for (std::size_t p = 0; p < PIXELS; ++p) {
        for (std::size_t q = 0; q < COLS; ++q) {
            float* to = at.out + p * job.out_stride + V::width * q;
            if (whole || q + 1 < COLS) {
                V::store(to, sum[p][q]);
            } else {
                V::store(to, sum[p][q], last);
            }
        }
    }
}

template <typename Tile>
constexpr std::size_t most_pixels(std::size_t cols) {
    return Tile::accumulators / cols < 12 ? Tile::accumulators / cols : 12;
}

using Run1 = void (*)(const RealDots&, const Place&);

template <typename Tile, typename Weights, std::size_t COLS, std::size_t... P>
constexpr auto tiles(std::index_sequence<P...>) {
    return std::array<Run1, sizeof...(P)>{tile<Tile, Weights, P + 1, COLS>...};
}

// All pixels against COLS vectors of one block, in chunks as equal as can be.
template <typename Tile, typename Weights, std::size_t COLS>
void band(const RealDots& job, Place at) {
    constexpr std::size_t most = most_pixels<Tile>(COLS);
    constexpr auto table = tiles<Tile, Weights, COLS>(std::make_index_sequence<most>());
    std::size_t left = job.pixels;
    for (std::size_t chunks = (left + most - 1) / most; chunks > 0; --chunks) {
        const std::size_t n = (left + chunks - 1) / chunks;
        table[n - 1](job, at);
        at.x += static_cast<std::ptrdiff_t>(n) * job.pixel_stride;
        at.out += n * job.out_stride;
        left -= n;
    }
}

template <typename Tile, typename Weights, std::size_t... Q>
constexpr auto bands(std::index_sequence<Q...>) {
    return std::array<void (*)(const RealDots&, Place), sizeof...(Q)>{
        band<Tile, Weights, Q + 1>...};
}

template <typename Tile, typename Weights>
void run(const RealDots& job) {
    constexpr std::size_t block = block_outs<Tile>();
    constexpr auto table = bands<Tile, Weights>(std::make_index_sequence<Tile::cols>());
    const std::size_t bytes = Weights::bytes(job.size);
    for (std::size_t o = 0; o < job.outs; o += block) {
        const std::size_t outs = job.outs - o < block ? job.outs - o : block;
        const std::size_t cols = (outs + Tile::V::width - 1) / Tile::V::width;
        const auto* weight = static_cast<const unsigned char*>(job.weight) + o / block * bytes;
        table[cols - 1](job, {job.x, weight, job.bias ? job.bias + o : nullptr, job.out + o, outs});
    }
}

template <typename Tile>
constexpr RealDotsKernels kernels() {
    return {.block = block_outs<Tile>(),
            .block_bytes = block_bytes<Tile>,
            .sign_block_bytes = sign_block_bytes<Tile>,
            .pack = pack<Tile>,
            .pack_signs = pack_signs<Tile>,
            .run = run<Tile, Reals<Tile>>,
            .run_signs = run<Tile, Signs<Tile>>};
}

}  // namespace
}  // namespace bitgrove::real_dots
