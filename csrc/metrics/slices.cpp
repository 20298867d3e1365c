#include "slices.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "../graph/parallel.hpp"

namespace bitgrove::metrics {
namespace {

constexpr std::size_t kQueries = 16;         // that go over a part of the rows one after another
constexpr std::size_t kPartBytes = 1 << 18;  // of rows: they stay in the second cache
constexpr std::size_t kPartBlocks = 16;      // at least, for the counts are added up after each

// Of eight bytes: bit 8 * i + k becomes bit 8 * k + i.
std::uint64_t turned(std::uint64_t x) {
    std::uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aa;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000cccc0000cccc;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0;
    return x ^ t ^ (t << 28);
}

// One byte of each of kCountRows rows at most, as eight planes.
void slice(const std::uint8_t* codes, std::size_t stride, std::size_t rows, std::uint64_t* planes) {
    for (std::size_t w = 0; w < kCountWords; ++w) {
        std::uint64_t words[8] = {};
        for (std::size_t part = 0; part < 8; ++part) {
            std::uint64_t eight = 0;
            for (std::size_t i = 0; i < 8; ++i) {
                const std::size_t row = 64 * w + 8 * part + i;
                if (row < rows) eight |= std::uint64_t{codes[row * stride]} << 8 * i;
            }
            eight = turned(eight);
            for (std::size_t p = 0; p < 8; ++p) words[p] |= (eight >> 8 * p & 255) << 8 * part;
        }
        for (std::size_t p = 0; p < 8; ++p) planes[p * kCountWords + w] = words[p];
    }
}

std::uint8_t kind_of(const std::uint64_t* mask) {
    std::uint64_t any = 0, all = ~std::uint64_t{0};
    for (std::size_t w = 0; w < kCountWords; ++w) any |= mask[w], all &= mask[w];
    return any == 0 ? kNone : all == ~std::uint64_t{0} ? kAll : kSome;
}

}  // namespace

Slices::Slices(const std::uint8_t* codes, std::size_t n, std::size_t bytes)
    : n_(n), bytes_(bytes), blocks_((n + kCountRows - 1) / kCountRows) {
    if (bytes < 1 || bytes > kMaxCountBytes) {
        throw std::invalid_argument("[slices] a code must have 1 to 8192 bytes");
    }
    if (n < 1 || n >= std::size_t{1} << 31) {
        throw std::invalid_argument("[slices] there must be 1 to 2^31 - 1 codes");
    }
    planes_ = runtime::allocate(blocks_ * bytes * kCountRows);
    auto* to = reinterpret_cast<std::uint64_t*>(planes_.get());
    for (std::size_t b = 0; b < blocks_; ++b) {
        const std::size_t from = b * kCountRows, rows = std::min(kCountRows, n - from);
        for (std::size_t j = 0; j < bytes; ++j, to += 8 * kCountWords) {
            slice(codes + from * bytes + j, bytes, rows, to);
        }
    }
}

void Slices::count(const CountRequest& r, const Kernels& kernels, std::size_t threads) const {
    std::vector<std::uint8_t> kinds(r.n_masks * blocks_);
    const std::size_t padding = blocks_ * kCountRows - n_;
    for (std::size_t m = 0; m < r.n_masks; ++m) {
        const std::uint64_t* mask = r.masks + m * words();
        for (std::size_t b = 0; b < blocks_; ++b) {
            kinds[m * blocks_ + b] = kind_of(mask + b * kCountWords);
        }
        for (std::size_t row = n_; row < n_ + padding; ++row) {
            if (mask[row / 64] >> row % 64 & 1) {
                throw std::invalid_argument("[slices] a mask has rows past the last");
            }
        }
    }
    for (std::size_t q = 0; q < r.n; ++q) {
        if (r.mask_of[q] >= r.n_masks) {
            throw std::invalid_argument("[slices] mask_of names a mask that is not there");
        }
    }
    const std::size_t distances = 8 * bytes_ + 1, block_words = 8 * bytes_ * kCountWords;
    const std::size_t part = std::max(kPartBlocks, kPartBytes / (8 * block_words));
    std::fill_n(r.others, r.n * distances, 0);
    std::fill_n(r.relevant, r.n * distances, 0);
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        const runtime::Aligned scratch = runtime::allocate(8 * hamming_counts_scratch(bytes_));
        std::vector<std::uint64_t> flips((end - begin) * 8 * bytes_);
        for (std::size_t i = 0; i < flips.size(); ++i) {
            const std::uint8_t byte = r.queries[begin * bytes_ + i / 8];
            flips[i] = byte >> i % 8 & 1 ? ~std::uint64_t{0} : 0;
        }
        for (std::size_t from = 0; from < blocks_; from += part) {
            for (std::size_t q = begin; q < end; ++q) {
                const std::size_t m = r.mask_of[q];
                kernels.hamming_counts({.planes = planes() + from * block_words,
                                        .bytes = bytes_,
                                        .blocks = std::min(part, blocks_ - from),
                                        .flips = flips.data() + (q - begin) * 8 * bytes_,
                                        .mask = r.masks + m * words() + from * kCountWords,
                                        .kinds = kinds.data() + m * blocks_ + from,
                                        .sums = reinterpret_cast<std::uint64_t*>(scratch.get()),
                                        .others = r.others + q * distances,
                                        .relevant = r.relevant + q * distances});
            }
        }
        // Rows that only fill the last block are zeros, as far as the query has ones.
        for (std::size_t q = begin; q < end; ++q) {
            std::size_t ones = 0;
            for (std::size_t j = 0; j < bytes_; ++j) {
                ones += static_cast<std::size_t>(std::popcount(r.queries[q * bytes_ + j]));
            }
            r.others[q * distances + ones] -= static_cast<std::uint32_t>(padding);
        }
    };
    graph::parallel_blocks(r.n, kQueries, threads, "", {}, work);
}

}  // namespace bitgrove::metrics
