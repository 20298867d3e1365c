// Products of bfloat16 matrices: a tile of up to 16 patches by 32 parts of numbers, times a tile of
// 32 parts by 16 outputs, added to a tile of float32. Two tiles of patches meet two of outputs at a
// time, so that no sum waits for the one before it. Tiles of patches lie in memory as the unit
// reads them: rows that cross cache lines take it four times as long to load.
#include <immintrin.h>

#include <algorithm>

#include "bitgrove/split_dots.hpp"

#pragma GCC push_options
#pragma GCC target("amx-tile,amx-bf16,avx512f,avx512bw,avx512dq,avx512vl")

namespace bitgrove::split_dots {
namespace {

constexpr std::size_t block = 16;       // outputs of a tile
constexpr std::size_t tallest = 16;     // rows of a tile
constexpr std::size_t line_bytes = 64;  // of a row of a tile
constexpr std::size_t line_parts = 32;
constexpr std::size_t tile_bytes = block * line_bytes;  // of filters
constexpr std::size_t panel_bytes = 24 * 1024;          // of filters, with room for patches beside

// GCC's own intrinsics do not say which memory they read. Patches and filters are never written
// here; results are stored where only the strides know.
#define LOAD(t, from, stride) \
    asm volatile("tileloadd (%0,%1,1), %%tmm" #t : : "r"(from), "r"(stride))
#define STORE(t, to, stride) \
    asm volatile("tilestored %%tmm" #t ", (%0,%1,1)" : : "r"(to), "r"(stride) : "memory")

// Tiles 0-3 are sums, 4-5 patches, 6-7 filters.
void configure(std::size_t height) {
    struct alignas(64) {
        std::uint8_t palette = 1, start = 0, reserved[14] = {};
        std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
        std::uint8_t rows[16] = {};
    } shape;
    for (int t = 0; t < 8; ++t) shape.rows[t] = t > 5 ? 16 : static_cast<std::uint8_t>(height);
    asm volatile("ldtilecfg %0" ::"m"(shape));
}

// A number in three parts, as the high halves of float32. The rounding of one part is in the next;
// one part or more of what is not finite is not finite.
struct Parts {
    __m512i high, middle, low;
};

Parts parts_of(__m512 x) {
    const __m512i half = _mm512_set1_epi32(0x8000), top = _mm512_set1_epi32(-0x10000);
    const __m512i bits = _mm512_castps_si512(x);
    // Numbers that rounding could make infinite are cut off instead.
    const __m512i magnitude = _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff));
    const __mmask16 rounds = _mm512_cmplt_epi32_mask(magnitude, _mm512_set1_epi32(0x7f000000));
    const __m512i high = _mm512_and_si512(_mm512_mask_add_epi32(bits, rounds, bits, half), top);
    const __m512 rest = _mm512_sub_ps(x, _mm512_castsi512_ps(high));
    const __m512i middle = _mm512_and_si512(_mm512_add_epi32(_mm512_castps_si512(rest), half), top);
    const __m512 low = _mm512_sub_ps(rest, _mm512_castsi512_ps(middle));
    return {high, middle, _mm512_castps_si512(low)};
}

// How a row is cut into tiles of `height` pixels. The last one overlaps the one before it, rather
// than be smaller.
struct Cut {
    std::size_t pixels, tiles, height;

    explicit Cut(std::size_t n) : pixels(n), tiles((n + tallest - 1) / tallest) {
        height = (n + tiles - 1) / tiles;
    }
    std::size_t first(std::size_t tile) const { return std::min(tile * height, pixels - height); }
};

// Where the tiles lie that are multiplied next.
struct Operands {
    const std::byte* x[2];
    const std::byte* filters[2];
    std::size_t patch_bytes;  // of a tile

    void step(std::size_t tiles) {
        for (auto& at : x) at += tiles * patch_bytes;
        for (auto& at : filters) at += tiles * tile_bytes;
    }
};

template <std::size_t Tiles>
void load_patches(const Operands& from, std::size_t ahead) {
    LOAD(4, from.x[0] + ahead * from.patch_bytes, line_bytes);
    if constexpr (Tiles > 1) LOAD(5, from.x[1] + ahead * from.patch_bytes, line_bytes);
}

template <std::size_t Blocks>
void load_filters(const Operands& from, std::size_t ahead) {
    LOAD(6, from.filters[0] + ahead * tile_bytes, line_bytes);
    if constexpr (Blocks > 1) LOAD(7, from.filters[1] + ahead * tile_bytes, line_bytes);
}

template <std::size_t Tiles, std::size_t Blocks>
void multiply() {
    _tile_dpbf16ps(0, 4, 6);
    if constexpr (Blocks > 1) _tile_dpbf16ps(1, 4, 7);
    if constexpr (Tiles > 1) _tile_dpbf16ps(2, 5, 6);
    if constexpr (Tiles * Blocks > 3) _tile_dpbf16ps(3, 5, 7);
}

// A way to lay out the parts of a stretch, in lines of 32 parts: a split row has, for each tile and
// each line, the line for all pixels of the tile. Filters have tiles of as many lines.

// Every number as h m l h m h, to meet filters as h h h m m l: no line is filled up but the last.
struct Dense {
    static constexpr std::size_t copies = 6;
    static constexpr int part[copies] = {0, 0, 0, 1, 1, 2};  // of filters

    static std::size_t lines(std::size_t length) {
        return (length * copies + line_parts - 1) / line_parts;
    }
    static std::size_t position(std::size_t k, std::size_t copy) { return k * copies + copy; }

    // Stretches overlap and begin anywhere: numbers are split once, then copied to their places.
    static void split(const float* x, std::ptrdiff_t pixel_stride, std::size_t pixels,
                      std::size_t length, std::byte* to, std::size_t tile_step) {
        constexpr std::size_t room = 512, piece = 256;  // numbers
        alignas(64) std::uint32_t words[3 * room];
        const auto apart = static_cast<std::size_t>(pixel_stride);
        for (std::size_t k = 0; k < length; k += piece) {
            const std::size_t n = std::min(piece, length - k);
            const bool overlap = pixel_stride > 0 && apart < n;
            const std::size_t most = overlap ? (room - n) / apart + 1 : 1;
            for (std::size_t p = 0; p < pixels; p += most) {
                const std::size_t count = std::min(most, pixels - p);
                spread(x + static_cast<std::ptrdiff_t>(p) * pixel_stride + k,
                       (count - 1) * (overlap ? apart : 0) + n, words);
                for (std::size_t i = 0; i < count; ++i) {
                    copy(words + 3 * i * apart, 3 * n, to + (p + i) * line_bytes, tile_step);
                }
            }
            to += piece * copies / line_parts * tile_step;
        }
    }

    template <std::size_t Tiles, std::size_t Blocks>
    static void add(Operands& from, std::size_t length) {
        for (std::size_t i = lines(length); i; --i) {
            load_patches<Tiles>(from, 0);
            load_filters<Blocks>(from, 0);
            multiply<Tiles, Blocks>();
            from.step(1);
        }
    }

  private:
    static void copy(const std::uint32_t* words, std::size_t n, std::byte* to, std::size_t step) {
        for (; n >= 16; n -= 16, words += 16, to += step) {
            _mm512_store_si512(to, _mm512_loadu_si512(words));
        }
        if (n == 0) return;
        const auto rest = static_cast<__mmask16>((1u << n) - 1);
        _mm512_store_si512(to, _mm512_maskz_loadu_epi32(rest, words));
    }

    static void spread(const float* x, std::size_t n, std::uint32_t* words) {
        for (std::size_t i = 0; i < n; i += 16, words += 48) {
            const std::size_t left = std::min<std::size_t>(16, n - i);
            spread(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << left) - 1), x + i), words);
        }
    }

    // Three words, hm lh mh, for each of 16 numbers.
    static void spread(__m512 x, std::uint32_t* words) {
        const Parts parts = parts_of(x);
        const __m512i hm = _mm512_or_si512(_mm512_srli_epi32(parts.high, 16), parts.middle);
        const __m512i lh = _mm512_or_si512(_mm512_srli_epi32(parts.low, 16), parts.high);
        const __m512i mh = _mm512_or_si512(_mm512_srli_epi32(parts.middle, 16), parts.high);
        // The first two by one permutation, 16 more standing for lh, then the third between them.
        const __m512i ab[] = {
            _mm512_setr_epi32(0, 16, 0, 1, 17, 0, 2, 18, 0, 3, 19, 0, 4, 20, 0, 5),
            _mm512_setr_epi32(21, 0, 6, 22, 0, 7, 23, 0, 8, 24, 0, 9, 25, 0, 10, 26),
            _mm512_setr_epi32(0, 11, 27, 0, 12, 28, 0, 13, 29, 0, 14, 30, 0, 15, 31, 0)};
        const __m512i c[] = {
            _mm512_setr_epi32(0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 3, 0, 0, 4, 0),
            _mm512_setr_epi32(0, 5, 0, 0, 6, 0, 0, 7, 0, 0, 8, 0, 0, 9, 0, 0),
            _mm512_setr_epi32(10, 0, 0, 11, 0, 0, 12, 0, 0, 13, 0, 0, 14, 0, 0, 15)};
        constexpr __mmask16 third[] = {0x4924, 0x2492, 0x9249};
        for (int i = 0; i < 3; ++i) {
            const __m512i two = _mm512_permutex2var_epi32(hm, ab[i], lh);
            _mm512_store_si512(words + 16 * i,
                               _mm512_mask_permutexvar_epi32(two, third[i], c[i], mh));
        }
    }
};

// Of every 32 numbers a line of h, one of m and one of l, in patches as in filters: half the bytes,
// each used twice, but lines are filled up.
struct Planes {
    static constexpr std::size_t copies = 3;
    static constexpr int part[copies] = {0, 1, 2};

    static std::size_t lines(std::size_t length) {
        return (length + line_parts - 1) / line_parts * copies;
    }
    static std::size_t position(std::size_t k, std::size_t copy) {
        return (k / line_parts * copies + copy) * line_parts + k % line_parts;
    }

    static void split(const float* x, std::ptrdiff_t pixel_stride, std::size_t pixels,
                      std::size_t length, std::byte* to, std::size_t tile_step) {
        for (std::size_t p = 0; p < pixels; ++p, x += pixel_stride, to += line_bytes) {
            std::byte* line = to;
            for (std::size_t k = 0; k < length; k += line_parts, line += copies * tile_step) {
                const std::size_t left = std::min(line_parts, length - k);
                const auto mask = static_cast<std::uint32_t>((std::uint64_t{1} << left) - 1);
                const Parts a =
                    parts_of(_mm512_maskz_loadu_ps(_cvtu32_mask16(mask & 0xffff), x + k));
                const Parts b =
                    parts_of(_mm512_maskz_loadu_ps(_cvtu32_mask16(mask >> 16), x + k + 16));
                _mm512_store_si512(line, tops(a.high, b.high));
                _mm512_store_si512(line + tile_step, tops(a.middle, b.middle));
                _mm512_store_si512(line + 2 * tile_step, tops(a.low, b.low));
            }
        }
    }

    template <std::size_t Tiles, std::size_t Blocks>
    static void add(Operands& from, std::size_t length) {
        for (std::size_t i = lines(length); i; i -= copies) {
            load_filters<Blocks>(from, 0);
            load_patches<Tiles>(from, 2);
            multiply<Tiles, Blocks>();
            load_patches<Tiles>(from, 1);
            multiply<Tiles, Blocks>();
            load_patches<Tiles>(from, 0);
            multiply<Tiles, Blocks>();
            load_filters<Blocks>(from, 1);
            multiply<Tiles, Blocks>();
            load_patches<Tiles>(from, 1);
            multiply<Tiles, Blocks>();
            load_filters<Blocks>(from, 2);
            load_patches<Tiles>(from, 0);
            multiply<Tiles, Blocks>();
            from.step(copies);
        }
    }

  private:
    // The high halves of 32 words.
    static __m512i tops(__m512i a, __m512i b) {
        const __m512i order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
        return _mm512_permutexvar_epi64(
            order, _mm512_packus_epi32(_mm512_srli_epi32(a, 16), _mm512_srli_epi32(b, 16)));
    }
};

// Calls `use` with the layout of stretches of such a length: the one with fewer products.
template <class Use>
auto with_layout(std::size_t length, Use use) {
    const bool dense = Dense::lines(length) * 8 < Planes::lines(length) * 2 * 7;
    return dense ? use(Dense()) : use(Planes());
}

std::size_t lines(std::size_t length) {
    return with_layout(length, [&](auto layout) { return layout.lines(length); });
}

std::size_t row_bytes(std::size_t pixels, std::size_t length) {
    if (pixels == 0) return 0;
    const Cut cut(pixels);
    return cut.tiles * cut.height * lines(length) * line_bytes;
}

std::size_t block_bytes(std::size_t runs, std::size_t length) {
    return runs * lines(length) * tile_bytes;
}

void split(const float* x, std::ptrdiff_t pixel_stride, std::size_t pixels, std::size_t length,
           void* to) {
    if (pixels == 0) return;
    const Cut cut(pixels);
    const std::size_t step = cut.height * line_bytes;  // from tile to tile
    with_layout(length, [&](auto layout) {
        auto* at = static_cast<std::byte*>(to);
        for (std::size_t t = 0; t < cut.tiles; ++t, at += layout.lines(length) * step) {
            layout.split(x + static_cast<std::ptrdiff_t>(cut.first(t)) * pixel_stride, pixel_stride,
                         cut.height, length, at, step);
        }
    });
}

// Row r of a tile of filters has parts 2*r and 2*r+1 for output 0, then for output 1 and so on.
void pack(const float* rows, std::size_t outs, std::size_t runs, std::size_t length, void* to) {
    const std::size_t bytes = block_bytes(runs, length), run = bytes / runs;
    auto* blocks = static_cast<std::byte*>(to);
    std::fill_n(blocks, (outs + block - 1) / block * bytes, std::byte{});
    with_layout(length, [&](auto layout) {
        for (std::size_t i = 0; i < outs * runs * length; ++i) {
            const std::size_t out = i / length / runs, r = i / length % runs, k = i % length;
            const Parts all = parts_of(_mm512_set1_ps(rows[i]));
            const __m512i parts[] = {all.high, all.middle, all.low};
            auto* tiles = reinterpret_cast<std::uint16_t*>(blocks + out / block * bytes + r * run);
            for (std::size_t c = 0; c < layout.copies; ++c) {
                const std::size_t at = layout.position(k, c);
                const __m128i part = _mm512_castsi512_si128(parts[layout.part[c]]);
                tiles[at / 2 * 2 * block + out % block * 2 + at % 2] =
                    static_cast<std::uint16_t>(_mm_extract_epi16(part, 1));
            }
        }
    });
}

// Where the results of a tile go, and where its lines are in a split row.
struct Place {
    const void* const* rows;
    std::size_t offset;
    float* out;
};

// Some of the runs, whose filters stay in first-level cache while all patches pass by.
struct Panel {
    std::size_t first, last;
};

// One or two tiles of patches times one or two blocks of a panel's filters. Panels but the first go
// on with the sums that the one before has left among the results.
template <class Layout, std::size_t Tiles, std::size_t Blocks>
void group(const SplitDots& s, const Panel& panel, std::size_t height, const Place& a,
           const Place& b, const std::byte* filters, std::size_t block_size, const float* bias,
           std::size_t outs) {
    Operands from{
        .x = {}, .filters = {filters, filters + block_size}, .patch_bytes = height * line_bytes};
    const std::size_t out_bytes = s.out_stride * sizeof(float);
    const bool starts = panel.first == 0;
    const float *sums_a = starts ? bias : a.out, *sums_b = starts ? bias : b.out;
    const std::size_t sums_bytes = starts ? 0 : out_bytes;
    LOAD(0, sums_a, sums_bytes);
    if constexpr (Blocks > 1) LOAD(1, sums_a + block, sums_bytes);
    if constexpr (Tiles > 1) LOAD(2, sums_b, sums_bytes);
    if constexpr (Tiles * Blocks > 3) LOAD(3, sums_b + block, sums_bytes);
    for (std::size_t r = panel.first; r < panel.last; ++r) {
        from.x[0] = static_cast<const std::byte*>(a.rows[r]) + a.offset;
        from.x[1] = static_cast<const std::byte*>(b.rows[r]) + b.offset;
        Layout::template add<Tiles, Blocks>(from, s.length);
    }
    if (outs == Blocks * block) {
        STORE(0, a.out, out_bytes);
        if constexpr (Blocks > 1) STORE(1, a.out + block, out_bytes);
        if constexpr (Tiles > 1) STORE(2, b.out, out_bytes);
        if constexpr (Tiles * Blocks > 3) STORE(3, b.out + block, out_bytes);
        return;
    }
    alignas(64) float sums[2][tallest][2 * block];
    constexpr long stride = sizeof sums[0][0];
    STORE(0, sums[0][0], stride);
    if constexpr (Blocks > 1) STORE(1, sums[0][0] + block, stride);
    if constexpr (Tiles > 1) STORE(2, sums[1][0], stride);
    if constexpr (Tiles * Blocks > 3) STORE(3, sums[1][0] + block, stride);
    for (std::size_t t = 0; t < Tiles; ++t) {
        float* out = t == 0 ? a.out : b.out;
        for (std::size_t p = 0; p < height; ++p) {
            std::copy_n(sums[t][p], outs, out + p * s.out_stride);
        }
    }
}

// All tiles with one or two blocks of filters, two by two: one below the other where that can be,
// as they read some of the same rows.
template <class Layout, std::size_t Blocks>
void groups(const SplitDots& s, const Panel& panel, const Cut& cut, std::size_t first_out,
            const std::byte* filters, std::size_t block_size) {
    const std::size_t outs = std::min(s.outs - first_out, Blocks * block);
    const std::size_t tile_size = Layout::lines(s.length) * cut.height * line_bytes;
    alignas(64) float bias[2 * block] = {};
    if (s.bias) std::copy_n(s.bias + first_out, outs, bias);
    asm volatile("" : : : "memory");  // patches, filters and bias are complete
    const auto place = [&](std::size_t row, std::size_t tile) {
        return Place{s.x + row * s.row_step, tile * tile_size,
                     s.out + row * s.out_row_stride + cut.first(tile) * s.out_stride + first_out};
    };
    const auto two = [&](const Place& a, const Place& b) {
        group<Layout, 2, Blocks>(s, panel, cut.height, a, b, filters, block_size, bias, outs);
    };
    std::size_t row = 0;
    for (; row + 2 <= s.rows; row += 2) {
        for (std::size_t t = 0; t < cut.tiles; ++t) two(place(row, t), place(row + 1, t));
    }
    if (row == s.rows) return;
    std::size_t t = 0;
    for (; t + 2 <= cut.tiles; t += 2) two(place(row, t), place(row, t + 1));
    if (t == cut.tiles) return;
    const Place last = place(row, t);
    group<Layout, 1, Blocks>(s, panel, cut.height, last, last, filters, block_size, bias, outs);
}

// One or two blocks of filters with all tiles, panel by panel.
template <class Layout, std::size_t Blocks>
void panels(const SplitDots& s, const Cut& cut, std::size_t first_out, const std::byte* filters,
            std::size_t block_size) {
    const std::size_t run_size = Layout::lines(s.length) * tile_bytes;
    // Sums can be left among the results only where each result is of one tile.
    const bool own = cut.tiles * cut.height == s.pixels && s.outs - first_out >= Blocks * block;
    const std::size_t most =
        own ? std::max<std::size_t>(panel_bytes / (Blocks * run_size), 1) : s.runs;
    for (std::size_t r = 0; r < s.runs; r += most) {
        const Panel panel{r, std::min(r + most, s.runs)};
        groups<Layout, Blocks>(s, panel, cut, first_out, filters + r * run_size, block_size);
    }
}

void run(const SplitDots& s) {
    if (s.rows == 0 || s.pixels == 0 || s.outs == 0) return;
    const Cut cut(s.pixels);
    configure(cut.height);
    const std::size_t size = block_bytes(s.runs, s.length);
    with_layout(s.length, [&](auto layout) {
        using Layout = decltype(layout);
        const auto* filters = static_cast<const std::byte*>(s.weight);
        for (std::size_t o = 0; o < s.outs; o += 2 * block, filters += 2 * size) {
            if (s.outs - o > block) {
                panels<Layout, 2>(s, cut, o, filters, size);
            } else {
                panels<Layout, 1>(s, cut, o, filters, size);
            }
        }
    });
    _tile_release();
}

}  // namespace

const SplitDotsKernels amx{.block = block,
                           .row_bytes = row_bytes,
                           .block_bytes = block_bytes,
                           .pack = pack,
                           .split = split,
                           .run = run};

}  // namespace bitgrove::split_dots
#pragma GCC pop_options
