// The answers to the tests of a fern convolution: of an image, of tiles, or of another one's sums.
#include <algorithm>
#include <limits>

#include "fern_conv.hpp"

namespace bitgrove::runtime {
namespace {

std::uint64_t* answers(const View& out, std::size_t z, std::size_t y, std::size_t word) {
    return out.bits(distance(z), distance(y), distance(word));
}

// The 64 bits from position `first` on, which may wrap below 0; zeros outside.
std::uint64_t bits_from(const std::uint64_t* bits, std::size_t words, std::ptrdiff_t first) {
    const std::ptrdiff_t word = first >= 0 ? first / 64 : -((63 - first) / 64);
    const std::ptrdiff_t shift = first - word * 64, count = distance(words);
    const auto at = [&](std::ptrdiff_t w) { return w >= 0 && w < count ? bits[w] : 0; };
    return shift ? at(word) >> shift | at(word + 1) << (64 - shift) : at(word);
}

// The even bits of a word, in its lower half.
std::uint64_t even_bits(std::uint64_t x) {
    x &= 0x5555555555555555;
    x = (x | x >> 1) & 0x3333333333333333;
    x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0f;
    x = (x | x >> 4) & 0x00ff00ff00ff00ff;
    x = (x | x >> 8) & 0x0000ffff0000ffff;
    return (x | x >> 16) & 0x00000000ffffffff;
}

// Every step-th bit from `first` on.
void thin(const std::uint64_t* bits, std::size_t words, std::size_t first, std::size_t step,
          std::size_t count, std::uint64_t* out) {
    for (std::size_t w = 0; w < words_for(count); ++w) {
        const auto from = distance(first + w * 64 * step);
        std::uint64_t word = 0;
        if (step == 1) {
            word = bits_from(bits, words, from);
        } else if (step == 2) {
            word = even_bits(bits_from(bits, words, from)) |
                   even_bits(bits_from(bits, words, from + 64)) << 32;
        } else {
            const std::size_t here = std::min<std::size_t>(64, count - w * 64);
            for (std::size_t i = 0; i < here; ++i) {
                word |= (bits_from(bits, words, from + distance(i * step)) & 1) << i;
            }
        }
        const std::size_t here = count - w * 64;
        out[w] = here < 64 ? word & ((std::uint64_t{1} << here) - 1) : word;
    }
}

}  // namespace

FernImageTests::FernImageTests(const FernConv& reader)
    : BitOp(reader.questions().value()), questions_(reader.questions()) {}

std::size_t FernImageTests::scratch_bytes() const {
    return questions_.words() * sizeof(std::uint64_t);
}

void FernImageTests::run(const Call& call, const Part& part, const View& out) const {
    const auto* planes = reinterpret_cast<const float*>(call.in(0).origin);
    auto* bits = reinterpret_cast<std::uint64_t*>(call.scratch);
    const Shape& in = questions_.in();
    each_row(part, in, [&](std::size_t z, std::size_t y) {
        for (std::size_t j = 0; j < questions_.tests().size(); ++j) {
            const FernTest& test = questions_.tests()[j];
            if (!questions_.reads_row(test, z, y)) continue;
            std::size_t first = 0;
            const Range range = questions_.inside(test, first);
            const float* row = planes + ((test.channel * in.d + z) * in.h + y) * in.w;
            call.kernels.fern_sums->above(row + first, range.step, range.last - range.first,
                                          test.threshold, bits);
            questions_.write(test, range, test.flip, bits,
                             answers(out, z, y, j * questions_.words()));
        }
    });
}

FernTileTests::FernTileTests(const FernConv& reader)
    : Packer(reader.questions().value()), questions_(reader.questions()) {}

void FernTileTests::pack(const Kernels&, const Tile& tile, const View& out) const {
    const std::size_t words = questions_.words(), end = tile.x + tile.pixels;
    for (std::size_t j = 0; j < questions_.tests().size(); ++j) {
        const FernTest& test = questions_.tests()[j];
        const bool mine = test.channel >= tile.channel &&
                          test.channel < tile.channel + tile.channels &&
                          questions_.reads_row(test, tile.z, tile.y);
        if (!mine) continue;
        std::size_t first = 0;
        const Range range = questions_.inside(test, first);
        std::uint64_t* to = answers(out, tile.z, tile.y, j * words);
        const auto set = [&](std::size_t x, std::uint64_t bit) {
            std::uint64_t& word = to[x / 64];
            word = (word & ~(std::uint64_t{1} << x % 64)) | bit << x % 64;
        };
        // Nobody else writes what lies outside: the tiles at both ends do.
        if (tile.x == 0) {
            for (std::size_t x = 0; x < range.first; ++x) set(x, 0);
        }
        if (end == questions_.in().w) {
            for (std::size_t x = range.last; x < 64 * words; ++x) set(x, 0);
        }
        const std::size_t skip =
            first >= tile.x ? 0 : (tile.x - first + range.step - 1) / range.step;
        const float* numbers = tile.data + (test.channel - tile.channel);
        std::size_t at = first + skip * range.step;
        for (std::size_t x = range.first + skip; x < range.last && at < end; ++x) {
            const bool yes = numbers[(at - tile.x) * tile.stride] >= test.threshold;
            set(x, yes != (test.flip != test.outside));
            at += range.step;
        }
    }
}

FernChain::FernChain(const FernConv& source, const FernConv& reader)
    : BitOp(reader.questions().value()), source_(source), questions_(reader.questions()) {
    const auto limit = static_cast<std::int32_t>(127 * source.ferns());
    const auto& order = questions_.by_channel();
    for (std::size_t i = 0; i < order.size(); ++i) {
        const FernTest& test = questions_.tests()[order[i]];
        if (groups_.empty() || groups_.back().channel != test.channel) {
            groups_.push_back({test.channel, i, 0, groups_.size()});
        }
        most_ = std::max(most_, ++groups_.back().count);
        // The value of a sum never turns back, so one sum parts yes from no.
        const auto yes = [&](std::int32_t sum) {
            return (source.value_of(test.channel, sum) >= test.threshold) != test.flip;
        };
        const bool at_end = yes(limit);
        std::int32_t low = -limit, high = limit;
        if (yes(low) == at_end) {
            high = std::numeric_limits<std::int32_t>::min();
        } else {
            while (low + 1 < high) {
                const std::int32_t middle = low + (high - low) / 2;
                (yes(middle) == at_end ? high : low) = middle;
            }
        }
        thresholds_.push_back(high);
        turned_.push_back(!at_end);
    }
}

void FernChain::prepare(const Kernels& kernels, std::span<const Layout>) {
    table_bytes_ = whole_lines(kernels.fern_sums->table_bytes(source_.ferns(), source_.depth()));
    tables_ = allocate(groups_.size() * table_bytes_);
    for (const Group& group : groups_) {
        kernels.fern_sums->pack_table(
            source_.table_of(group.channel).data(), source_.ferns(), source_.depth(),
            reinterpret_cast<std::int8_t*>(tables_.get() + group.table * table_bytes_));
    }
    const std::size_t row = words_for(source_.result.shape.w) * sizeof(std::uint64_t);
    scratch_bytes_ = source_.pointer_bytes() + source_.groups() * source_.address_bytes(kernels) +
                     whole_lines(most_ * sizeof(std::int32_t)) + most_ * row +
                     questions_.words() * sizeof(std::uint64_t) + most_ * sizeof(std::size_t);
}

void FernChain::run(const Call& call, const Part& part, const View& out) const {
    const Shape& shape = source_.result.shape;
    const std::size_t words = words_for(shape.w), bytes = source_.address_bytes(call.kernels);
    std::byte* addresses = call.scratch + source_.pointer_bytes();
    auto* thresholds = reinterpret_cast<std::int32_t*>(addresses + source_.groups() * bytes);
    auto* sums = reinterpret_cast<std::uint64_t*>(reinterpret_cast<std::byte*>(thresholds) +
                                                  whole_lines(most_ * sizeof(std::int32_t)));
    auto* bits = sums + most_ * words;
    auto* wanted = reinterpret_cast<std::size_t*>(bits + questions_.words());
    each_row(part, shape, [&](std::size_t z, std::size_t y) {
        source_.address(call.kernels, call.in(0), z, y, call.scratch, addresses);
        for (const Group& group : groups_) {
            std::size_t count = 0;
            for (std::size_t i = group.first; i < group.first + group.count; ++i) {
                if (!questions_.reads_row(questions_.tests()[questions_.by_channel()[i]], z, y)) {
                    continue;
                }
                thresholds[count] = thresholds_[i];
                wanted[count++] = i;
            }
            if (count == 0) continue;
            const std::size_t of_group = group.channel / source_.outs();
            call.kernels.fern_sums->compare(
                {.sums = {.addresses =
                              reinterpret_cast<const std::uint8_t*>(addresses + of_group * bytes),
                          .ferns = source_.ferns(),
                          .depth = source_.depth(),
                          .positions = shape.w},
                 .table = reinterpret_cast<const std::int8_t*>(tables_.get() +
                                                               group.table * table_bytes_),
                 .tests = count,
                 .thresholds = thresholds,
                 .out = sums,
                 .out_stride = words});
            for (std::size_t k = 0; k < count; ++k) {
                const std::size_t j = questions_.by_channel()[wanted[k]];
                const FernTest& test = questions_.tests()[j];
                std::size_t first = 0;
                const Range range = questions_.inside(test, first);
                thin(sums + k * words, words, first, range.step, range.last - range.first, bits);
                questions_.write(test, range, turned_[wanted[k]], bits,
                                 answers(out, z, y, j * questions_.words()));
            }
        }
    });
}

Work FernChain::work() const {
    return {.weight_bytes = groups_.size() * table_bytes_};
}

}  // namespace bitgrove::runtime
