// Real convolution along a row of pixels over vectors of any width. Included inside a target
// region, after the region's `Vector`. `Tile` names the vector and the registers to use:
//
//     struct Tile { using V = Vector; static constexpr std::size_t cols, streams, accumulators; }
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
    static constexpr bool dear = false;
    static std::size_t bytes(std::size_t size) { return block_bytes<Tile>(size); }
    static typename Tile::V::Lanes load(const unsigned char* at, std::size_t q) {
        return Tile::V::load(reinterpret_cast<const float*>(at) + Tile::V::width * q);
    }
};

template <typename Tile>
struct Signs {
    static constexpr std::size_t step = block_outs<Tile>() / 8;
    static constexpr bool dear = true;
    static std::size_t bytes(std::size_t size) { return sign_block_bytes<Tile>(size); }
    static typename Tile::V::Lanes load(const unsigned char* at, std::size_t q) {
        return Tile::V::signs(at, q);
    }
};

// The place of a tile: its first pixel, its first block and its first output.
struct Place {
    const float* x;
    const unsigned char* weight;
    const float* start;  // of the sums: the bias of the outputs of the block, or zeros
    float* out;
    std::size_t outs;
};

// The sums of PIXELS pixels and COLS vectors of outputs, and where the pixels lie.
template <typename Tile, typename Weights, std::size_t PIXELS, std::size_t COLS>
struct Sums {
    using V = typename Tile::V;
    // Every number of the input needs an address. The compiler would make them from each other by
    // additions, which compete with the arithmetic; so one register holds the address of every
    // pixel or, where registers are few, of every second.
    static constexpr std::size_t per_address = PIXELS > 7 ? 2 : 1;

    typename V::Lanes sum[PIXELS][COLS];
    const float* x[PIXELS];
    std::ptrdiff_t stride;

    Sums(const float* first, std::ptrdiff_t pixel_stride, const float* start)
        : stride(pixel_stride) {
#pragma GCC unroll 12
        for (std::size_t p = 0; p < PIXELS; ++p) {
            x[p] = first + static_cast<std::ptrdiff_t>(p - p % per_address) * stride;
            if (p % per_address == 0) __asm__("" : "+r"(x[p]));
#pragma GCC unroll 12
            for (std::size_t q = 0; q < COLS; ++q) sum[p][q] = V::load(start + V::width * q);
        }
    }

    // Adds the products of one weight per output.
    void add(std::ptrdiff_t offset, const unsigned char* weight) {
        std::ptrdiff_t offsets[2] = {offset, offset};
        if (per_address == 2) {
            offsets[1] += stride;
            __asm__("" : "+r"(offsets[1]));
        }
        typename V::Lanes right[COLS];
#pragma GCC unroll 12
        for (std::size_t q = 0; q < COLS; ++q) right[q] = Weights::load(weight, q);
#pragma GCC unroll 12
        for (std::size_t p = 0; p < PIXELS; ++p) {
            const auto left = V::set(x[p - p % per_address][offsets[p % per_address]]);
#pragma GCC unroll 12
            for (std::size_t q = 0; q < COLS; ++q) sum[p][q] = V::fma(left, right[q], sum[p][q]);
        }
    }

    void store(float* out, std::size_t out_stride, std::size_t outs) const {
        const bool whole = outs >= V::width * COLS;
        const auto last = V::first(outs - V::width * (COLS - 1));
#pragma GCC unroll 12
        for (std::size_t p = 0; p < PIXELS; ++p) {
            float* to = out + p * out_stride;
#pragma GCC unroll 12
            for (std::size_t q = 0; q + 1 < COLS; ++q) V::store(to + V::width * q, sum[p][q]);
            to += V::width * (COLS - 1);
            if (whole) {
                V::store(to, sum[p][COLS - 1]);
            } else {
                V::store(to, sum[p][COLS - 1], last);
            }
        }
    }
};

template <typename Tile, typename Weights, std::size_t PIXELS, std::size_t COLS>
void tile(const RealDots& job, const std::ptrdiff_t*, const Place& at) {
    Sums<Tile, Weights, PIXELS, COLS> sums(at.x, job.pixel_stride, at.start);
    const unsigned char* weight = at.weight;
    for (std::size_t r = 0; r < job.run_count; ++r) {
        std::ptrdiff_t offset = job.runs[r].offset;
        const std::ptrdiff_t end = offset + static_cast<std::ptrdiff_t>(job.runs[r].length);
#pragma GCC unroll 2
        for (; offset < end; ++offset, weight += Weights::step) sums.add(offset, weight);
    }
    sums.store(at.out, job.out_stride, at.outs);
}

// The same for many short runs, whose ends would each cost a branch that is guessed wrong: the
// offsets of all numbers are listed.
template <typename Tile, typename Weights, std::size_t PIXELS, std::size_t COLS>
void listed_tile(const RealDots& job, const std::ptrdiff_t* offsets, const Place& at) {
    Sums<Tile, Weights, PIXELS, COLS> sums(at.x, job.pixel_stride, at.start);
    const unsigned char* weight = at.weight;
#pragma GCC unroll 2
    for (std::size_t k = 0; k < job.size; ++k, weight += Weights::step) {
        sums.add(offsets[k], weight);
    }
    sums.store(at.out, job.out_stride, at.outs);
}

template <typename Tile>
constexpr std::size_t most_pixels(std::size_t cols) {
    return Tile::accumulators / cols < 12 ? Tile::accumulators / cols : 12;
}

using TileFn = void (*)(const RealDots&, const std::ptrdiff_t*, const Place&);

template <typename Tile, typename Weights, std::size_t COLS, std::size_t... P>
constexpr auto tiles(std::index_sequence<P...>) {
    return std::array<TileFn, sizeof...(P)>{tile<Tile, Weights, P + 1, COLS>...};
}

template <typename Tile, typename Weights, std::size_t COLS, std::size_t... P>
constexpr auto listed_tiles(std::index_sequence<P...>) {
    return std::array<TileFn, sizeof...(P)>{listed_tile<Tile, Weights, P + 1, COLS>...};
}

// All pixels against COLS vectors of one block, in tiles as equal as can be.
template <typename Tile, typename Weights, std::size_t COLS>
void band(const RealDots& job, const std::ptrdiff_t* offsets, Place at) {
    constexpr std::size_t most = most_pixels<Tile>(COLS);
    constexpr auto plain = tiles<Tile, Weights, COLS>(std::make_index_sequence<most>());
    auto table = plain;
    if constexpr (COLS == Tile::cols) {
        constexpr auto listed = listed_tiles<Tile, Weights, COLS>(std::make_index_sequence<most>());
        if (offsets) table = listed;
    }
    std::size_t left = job.pixels;
    for (std::size_t rest = (left + most - 1) / most; rest > 0; --rest) {
        const std::size_t n = (left + rest - 1) / rest;
        table[n - 1](job, offsets, at);
        at.x += static_cast<std::ptrdiff_t>(n) * job.pixel_stride;
        at.out += n * job.out_stride;
        left -= n;
    }
}

using BandFn = void (*)(const RealDots&, const std::ptrdiff_t*, Place);

template <typename Tile, typename Weights, std::size_t... Q>
constexpr auto bands(std::index_sequence<Q...>) {
    return std::array<BandFn, sizeof...(Q)>{band<Tile, Weights, Q + 1>...};
}

// The offsets of all numbers of a patch, if its runs are many and short; null if they are not.
constexpr std::size_t kListed = 512;

inline const std::ptrdiff_t* list(const RealDots& job, std::ptrdiff_t* to) {
    if (job.size > kListed || job.size / 64 >= job.run_count || job.pixels == 1) return nullptr;
    std::ptrdiff_t* next = to;
    for (std::size_t r = 0; r < job.run_count; ++r) {
        const Run& run = job.runs[r];
        for (std::size_t i = 0; i < run.length; ++i) {
            *next++ = run.offset + static_cast<std::ptrdiff_t>(i);
        }
    }
    return to;
}

// One pixel against BLOCKS whole blocks. Nothing is used twice here, so that the weights should
// come as fast as memory gives them: several streams at a time, with enough sums to hide how long
// an addition takes.
template <typename Tile, typename Weights>
void pixel(const RealDots& job, std::size_t bytes, const Place& at) {
    using V = typename Tile::V;
    constexpr std::size_t blocks = Tile::streams, cols = Tile::cols;
    typename V::Lanes sum[blocks][cols];
#pragma GCC unroll 12
    for (std::size_t b = 0; b < blocks; ++b) {
#pragma GCC unroll 12
        for (std::size_t q = 0; q < cols; ++q)
            sum[b][q] = V::load(at.start + V::width * (b * cols + q));
    }
    const unsigned char* weight = at.weight;
    for (std::size_t r = 0; r < job.run_count; ++r) {
        const float* x = at.x + job.runs[r].offset;
        for (std::size_t i = 0; i < job.runs[r].length; ++i, weight += Weights::step) {
            const auto left = V::set(x[i]);
#pragma GCC unroll 12
            for (std::size_t b = 0; b < blocks; ++b) {
#pragma GCC unroll 12
                for (std::size_t q = 0; q < cols; ++q) {
                    sum[b][q] = V::fma(left, Weights::load(weight + b * bytes, q), sum[b][q]);
                }
            }
        }
    }
#pragma GCC unroll 12
    for (std::size_t b = 0; b < blocks; ++b) {
#pragma GCC unroll 12
        for (std::size_t q = 0; q < cols; ++q)
            V::store(at.out + V::width * (b * cols + q), sum[b][q]);
    }
}

// Whether to take the two halves of a block one after the other, in tiles of more pixels: where
// that reads weights once that would be read twice, and where weights are dear.
template <typename Tile, typename Weights>
constexpr bool in_halves(std::size_t pixels) {
    constexpr std::size_t half = Tile::cols / 2;
    if (half < 2 || Tile::V::width * half % 8 != 0) return false;
    const bool once = pixels <= most_pixels<Tile>(half);
    return pixels > most_pixels<Tile>(Tile::cols) && (once || Weights::dear);
}

template <typename Tile, typename Weights>
void run(const RealDots& job) {
    using V = typename Tile::V;
    constexpr std::size_t block = block_outs<Tile>(), half = Tile::cols / 2;
    constexpr auto table = bands<Tile, Weights>(std::make_index_sequence<Tile::cols>());
    const std::size_t bytes = Weights::bytes(job.size);
    std::ptrdiff_t room[kListed];
    const std::ptrdiff_t* offsets = list(job, room);
    std::size_t o = 0;
    const auto place = [&](float* start, std::size_t outs) {
        if (job.bias) std::memcpy(start, job.bias + o, outs * sizeof(float));
        const auto* weight = static_cast<const unsigned char*>(job.weight) + o / block * bytes;
        return Place{job.x, weight, start, job.out + o, outs};
    };
    if (job.pixels == 1) {
        for (; o + Tile::streams * block <= job.outs; o += Tile::streams * block) {
            float start[Tile::streams * block] = {};
            pixel<Tile, Weights>(job, bytes, place(start, Tile::streams * block));
        }
    }
    for (; o < job.outs; o += block) {
        float start[block] = {};
        Place at = place(start, job.outs - o < block ? job.outs - o : block);
        std::size_t cols = (at.outs + V::width - 1) / V::width;
        if (cols == Tile::cols && !offsets && in_halves<Tile, Weights>(job.pixels)) {
            at.outs = V::width * half;
            table[half - 1](job, offsets, at);
            at.weight += Weights::step / 2;
            at.start += V::width * half;
            at.out += V::width * half;
            at.outs = (job.outs - o < block ? job.outs - o : block) - V::width * half;
            cols -= half;
        }
        table[cols - 1](job, offsets, at);
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
