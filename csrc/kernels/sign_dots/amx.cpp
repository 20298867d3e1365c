// Products of byte matrices: a tile of up to 16 patches by 64 channels, times a tile of 64 channels
// by 16 outputs, added to a tile of int32. Filters are widened from bits just before they are used,
// while the unit works on the tiles before, so that they are read as bits and never stored whole.
#include <immintrin.h>

#include <algorithm>

#include "bitgrove/sign_dots.hpp"

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-int8,gfni,prfchw,avx512f,avx512bw,avx512dq,avx512vl")

namespace bitgrove::sign_dots {
namespace {

constexpr std::size_t block = 16;       // outputs of a tile
constexpr std::size_t tile_bits = 128;  // bytes that 64 channels of a block take as bits
constexpr std::size_t tile_bytes = 1024;
constexpr std::size_t tallest = 16;  // rows of a tile
constexpr std::size_t most = 5;      // tiles of patches at a time

// GCC's own intrinsics do not say which memory they read. Patches are never written here, so that
// only what this file writes needs saying: a tile of it, as an operand.
struct Tile {
    alignas(64) std::uint8_t bytes[tile_bytes];
};
#define LOAD_PATCHES(t, from, stride) \
    asm volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(from), "r"(stride))
#define LOAD_TILE(t, tile) \
    asm volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(&(tile)), "r"(64l), "m"(tile))
#define STORE_TILE(t, tile) \
    asm volatile("tilestored %%tmm" #t ", (%1,%2,1)" : "=m"(tile) : "r"(&(tile)), "r"(64l))

// Tiles 0-4 are sums, 5 filters, 6 and 7 patches.
void configure(std::size_t height) {
    struct alignas(64) {
        std::uint8_t palette = 1, start = 0, reserved[14] = {};
        std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        std::uint8_t rows[16] = {};
    } shape;
    for (int t = 0; t < 8; ++t) shape.rows[t] = t == 5 ? 16 : static_cast<std::uint8_t>(height);
    asm volatile("ldtilecfg %0" ::"m"(shape));
}

// How an image is cut into tiles: each takes `height` pixels of x, a pixel stride apart, out of one
// row or, where rows are short, out of several with what lies between them. The last tile of a row
// or column overlaps the one before it, rather than be smaller.
struct Cut {
    std::size_t rows_each, pixels_each;  // of the image in a tile
    std::size_t height, tiles;
    std::size_t together;      // tiles at a time, at most
    std::size_t count;         // results of a tile; for each,
    std::size_t row[tallest];  // the row of the tile that has it
    std::size_t to[tallest];   // and where it goes

    explicit Cut(const SignDots& s) {
        const std::size_t step = step_of(s);
        rows_each = step ? std::min(s.rows, 1 + (tallest - s.pixels) / step) : 1;
        const std::size_t across = (s.pixels + tallest - 1) / tallest;
        pixels_each = (s.pixels + across - 1) / across;
        height = (rows_each - 1) * step + pixels_each;
        tiles = across * ((s.rows + rows_each - 1) / rows_each);
        // Widening filters costs the least by the product where groups are large and alike.
        together = tiles % 4 == 0 ? 4 : most;
        count = 0;
        for (std::size_t r = 0; r < rows_each; ++r) {
            for (std::size_t p = 0; p < pixels_each; ++p, ++count) {
                row[count] = r * step + p;
                to[count] = r * s.out_row_stride + p * s.out_stride;
            }
        }
    }

  private:
    // Pixels from row to row; 0 where no two rows fit into a tile.
    static std::size_t step_of(const SignDots& s) {
        if (s.pixel_stride <= 0 || s.row_stride <= 0 || s.row_stride % s.pixel_stride) return 0;
        const auto step = static_cast<std::size_t>(s.row_stride / s.pixel_stride);
        return step + s.pixels <= tallest ? step : 0;
    }
};

// Goes through the tiles of an image, row by row.
class Place {
  public:
    Place(const SignDots& s, const Cut& cut) : s_(s), cut_(cut) {}

    const std::int8_t* x() const {
        return s_.x + static_cast<std::ptrdiff_t>(top()) * s_.row_stride +
               static_cast<std::ptrdiff_t>(left()) * s_.pixel_stride;
    }
    float* out() const { return s_.out + top() * s_.out_row_stride + left() * s_.out_stride; }

    void step() {
        pixel_ += cut_.pixels_each;
        if (pixel_ < s_.pixels) return;
        pixel_ = 0;
        row_ += cut_.rows_each;
    }

  private:
    std::size_t top() const { return std::min(row_, s_.rows - cut_.rows_each); }
    std::size_t left() const { return std::min(pixel_, s_.pixels - cut_.pixels_each); }

    const SignDots& s_;
    const Cut& cut_;
    std::size_t row_ = 0, pixel_ = 0;
};

// The tiles of all filters in order, again and again, each widened a few tiles before its turn. It
// is copied into the loops, where it lives in registers.
class Filters {
  public:
    static constexpr std::size_t slots = 4, ahead = 3;

    Filters(const void* weight, std::size_t tiles, Tile* ring)
        : ring_(ring),
          begin_(static_cast<const std::uint8_t*>(weight)),
          end_(begin_ + tiles * tile_bits),
          from_(begin_) {
        for (std::size_t bit = 0; bit < 8; ++bit) {
            // Seven copies of a bit, inverted, over a one: 1 for a one, -1 for a zero.
            select_[bit] = _mm512_set1_epi64(static_cast<long long>(0x0001010101010101ull << bit));
        }
        for (std::size_t i = 0; i < ahead; ++i) {
            widen<0>();
            widen<1>();
            widen<2>();
            widen<3>();
            step();
        }
    }

    const Tile& tile() const { return ring_[turn_]; }

    // Widens a quarter of the tile that comes `ahead` after this one.
    template <int Quarter>
    void widen() {
        const __m512i bits = _mm512_load_si512(from_ + Quarter / 2 * 64);
        std::uint8_t* to = ring_[(turn_ + ahead) % slots].bytes + Quarter * 256;
        constexpr int first = Quarter % 2 * 4;
        _mm512_store_si512(to, _mm512_gf2p8affine_epi64_epi8(bits, select_[first], 0xff));
        _mm512_store_si512(to + 64, _mm512_gf2p8affine_epi64_epi8(bits, select_[first + 1], 0xff));
        _mm512_store_si512(to + 128, _mm512_gf2p8affine_epi64_epi8(bits, select_[first + 2], 0xff));
        _mm512_store_si512(to + 192, _mm512_gf2p8affine_epi64_epi8(bits, select_[first + 3], 0xff));
    }

    void step() {
        turn_ = (turn_ + 1) % slots;
        from_ += tile_bits;
        if (from_ == end_) from_ = begin_;
    }

  private:
    __m512i select_[8];
    Tile* ring_;
    const std::uint8_t *begin_, *end_, *from_;
    std::size_t turn_ = slots - ahead;  // slot of the tile whose turn it is, once all this is done
};

// The sums of the tiles before, turned into results while the unit works on the next ones.
class Sums {
  public:
    Sums(const SignDots& s, const Cut& cut)
        : cut_(cut),
          // Bits that fill up a word are -1 on both sides: each added one.
          filled_(_mm512_set1_epi32(static_cast<std::int32_t>(s.words * 64) - s.length)) {
        const std::size_t turns =
            std::max<std::size_t>(s.words / cut.together, 1);  // for each tile
        rate_ = (cut.count + turns - 1) / turns;
    }

    // Where the results of the tiles now being multiplied will go.
    template <std::size_t Tiles>
    void expect(float* const* out) {
        for (std::size_t t = 0; t < most; ++t) next_[t] = out[std::min(t, Tiles - 1)];
    }

    template <std::size_t Tiles>
    void keep(std::size_t outs) {
        turn_rest();
        STORE_TILE(0, sums_[0]);
        if constexpr (Tiles > 1) STORE_TILE(1, sums_[1]);
        if constexpr (Tiles > 2) STORE_TILE(2, sums_[2]);
        if constexpr (Tiles > 3) STORE_TILE(3, sums_[3]);
        if constexpr (Tiles > 4) STORE_TILE(4, sums_[4]);
        std::copy_n(next_, most, out_);
        outs_ = static_cast<__mmask16>((1u << outs) - 1);
        left_ = Tiles;
        i_ = 0;
    }

    // Turns a few results, and calls for the memory of as many of the coming ones.
    void turn_some() {
        if (left_ == 0) return;
        const std::size_t tile = left_ - 1, end = std::min(i_ + rate_, cut_.count);
        const std::uint8_t* sums = sums_[tile].bytes;
        float *const out = out_[tile], *const next = next_[tile];
        const __m512i filled = filled_;
        const __mmask16 outs = outs_;
        const std::size_t *const row = cut_.row, *const to = cut_.to;
        for (std::size_t i = i_; i < end; ++i) {
            const __m512i sum = _mm512_load_si512(sums + row[i] * 64);
            const std::size_t at = to[i];
            _mm512_mask_storeu_ps(out + at, outs,
                                  _mm512_cvtepi32_ps(_mm512_sub_epi32(sum, filled)));
            __builtin_prefetch(next + at, 1);
        }
        i_ = end;
        if (end == cut_.count) --left_, i_ = 0;
    }

    void turn_rest() {
        while (left_) turn_some();
    }

  private:
    const Cut& cut_;
    __m512i filled_;
    std::size_t rate_;
    float *out_[most], *next_[most];
    __mmask16 outs_ = 0;
    std::size_t left_ = 0, i_ = 0;  // tiles to turn; results of the last of them that are done
    Tile sums_[most];
};

// The products of `Tiles` tiles of patches with the block of filters whose turn it is.
template <std::size_t Tiles>
void multiply(const SignDots& s, const std::int8_t* const* x, Filters& all, Sums& sums) {
    Filters filters = all;
    _tile_zero(0);
    if constexpr (Tiles > 1) _tile_zero(1);
    if constexpr (Tiles > 2) _tile_zero(2);
    if constexpr (Tiles > 3) _tile_zero(3);
    if constexpr (Tiles > 4) _tile_zero(4);
    for (std::size_t run = 0; run < s.run_count; ++run) {
        std::ptrdiff_t at = s.runs[run].offset;
        const std::ptrdiff_t end = at + static_cast<std::ptrdiff_t>(s.runs[run].length);
        for (; at < end; at += 64) {
            LOAD_TILE(5, filters.tile());
            LOAD_PATCHES(6, x[0] + at, s.pixel_stride);
            _tile_dpbssd(0, 6, 5);
            filters.widen<0>();
            if constexpr (Tiles > 1) {
                LOAD_PATCHES(7, x[1] + at, s.pixel_stride);
                _tile_dpbssd(1, 7, 5);
            }
            filters.widen<1>();
            if constexpr (Tiles > 2) {
                LOAD_PATCHES(6, x[2] + at, s.pixel_stride);
                _tile_dpbssd(2, 6, 5);
            }
            filters.widen<2>();
            if constexpr (Tiles > 3) {
                LOAD_PATCHES(7, x[3] + at, s.pixel_stride);
                _tile_dpbssd(3, 7, 5);
            }
            filters.widen<3>();
            if constexpr (Tiles > 4) {
                LOAD_PATCHES(6, x[4] + at, s.pixel_stride);
                _tile_dpbssd(4, 6, 5);
            }
            filters.step();
            sums.turn_some();
        }
    }
    all = filters;
}

// `Tiles` tiles of patches with all filters.
template <std::size_t Tiles>
void group(const SignDots& s, Place& place, Filters& filters, Sums& sums) {
    const std::int8_t* x[Tiles];
    float* out[Tiles];
    for (std::size_t t = 0; t < Tiles; ++t, place.step()) {
        x[t] = place.x();
        out[t] = place.out();
    }
    for (std::size_t o = 0; o < s.outs; o += block) {
        sums.expect<Tiles>(out);
        multiply<Tiles>(s, x, filters, sums);
        sums.keep<Tiles>(std::min(block, s.outs - o));
        for (float*& to : out) to += block;
    }
}

void run(const SignDots& s) {
    if (s.rows == 0 || s.pixels == 0 || s.outs == 0) return;
    asm volatile("" : : : "memory");  // the patches are complete
    const Cut cut(s);
    configure(cut.height);
    Tile ring[Filters::slots];
    Filters filters(s.weight, (s.outs + block - 1) / block * s.words, ring);
    Sums sums(s, cut);
    Place place(s, cut);
    for (std::size_t left = cut.tiles; left > 0;) {
        const std::size_t groups = (left + cut.together - 1) / cut.together;
        const std::size_t tiles = (left + groups - 1) / groups;
        switch (tiles) {
            case 1:
                group<1>(s, place, filters, sums);
                break;
            case 2:
                group<2>(s, place, filters, sums);
                break;
            case 3:
                group<3>(s, place, filters, sums);
                break;
            case 4:
                group<4>(s, place, filters, sums);
                break;
            default:
                group<most>(s, place, filters, sums);
        }
        left -= tiles;
    }
    sums.turn_rest();
    _tile_release();
}

std::size_t block_bytes(std::size_t words) {
    return words * tile_bits;
}

// Row r of a tile of filters has channels 4*r to 4*r+3 of output 0, then of output 1 and so on. Bit
// i of byte b in half h of its bits is byte b of row 8*h + i.
void pack(const std::uint64_t* rows, std::size_t outs, std::size_t words, void* to) {
    auto* bytes = static_cast<std::uint8_t*>(to);
    for (std::size_t first = 0; first < outs; first += block) {
        for (std::size_t w = 0; w < words; ++w, bytes += tile_bits) {
            for (std::size_t b = 0; b < tile_bits; ++b) {
                const std::size_t out = first + b % 64 / 4;
                const std::uint64_t word = out < outs ? rows[out * words + w] : 0;
                unsigned byte = 0;
                for (std::size_t i = 0; i < 8; ++i) {
                    const std::size_t channel = (b / 64 * 8 + i) * 4 + b % 4;
                    byte |= static_cast<unsigned>(word >> channel & 1) << i;
                }
                bytes[b] = static_cast<std::uint8_t>(byte);
            }
        }
    }
}

void expand(const std::uint64_t* words, std::size_t n, std::int8_t* to) {
    const __m512i plus = _mm512_set1_epi8(1), minus = _mm512_set1_epi8(-1);
    for (std::size_t i = 0; i < n; ++i) {
        const __mmask64 bits = _cvtu64_mask64(words[i]);
        _mm512_storeu_si512(to + i * 64, _mm512_mask_blend_epi8(bits, minus, plus));
    }
}

}  // namespace

const SignDotsKernels amx{
    .block = block, .block_bytes = block_bytes, .pack = pack, .expand = expand, .run = run};

}  // namespace bitgrove::sign_dots
#pragma GCC pop_options
