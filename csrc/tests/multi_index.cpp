// The exact indexes over codes against comparing every row.
#include "../graph/codes/multi_index.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <stdexcept>
#include <vector>

#include "../graph/codes/cluster_index.hpp"
#include "../graph/random.hpp"
#include "check.hpp"
#include "fenced.hpp"

namespace {

using namespace bitgrove::graph;

// Codes near a few centres, padding bits zero.
std::vector<std::uint8_t> near_codes(Random& random, std::size_t count, std::size_t bits) {
    const std::size_t bytes = (bits + 7) / 8;
    std::vector<std::uint8_t> codes(count * bytes);
    for (std::size_t r = 0; r < count; ++r) {
        Random centre(random.below(1 + count / 3));
        for (std::size_t i = 0; i < bits; ++i) {
            const bool flipped = random.below(30) == 0, bit = (centre.below(2) == 1) != flipped;
            codes[r * bytes + i / 8] |= static_cast<std::uint8_t>(bit << (7 - i % 8));
        }
    }
    return codes;
}

void substrings_are_the_bits_in_order() {
    Random random(1);
    for (std::size_t bits = 1; bits <= 130; ++bits) {
        Fenced<std::uint8_t> row((bits + 7) / 8, true);
        const auto code = near_codes(random, 1, bits);
        std::copy(code.begin(), code.end(), row.data());
        for (std::size_t parts = fewest_parts(bits); parts <= std::min<std::size_t>(bits, 9);
             ++parts) {
            std::size_t at = 0;
            for (const Substring& substring : cut(bits, parts)) {
                CHECK(substring.from == at && substring.width >= 1);
                CHECK(substring.width <= kMaxSubstring);
                std::uint64_t value = 0;
                for (; at < substring.from + substring.width; ++at) {
                    value = value << 1 | (row.data()[at / 8] >> (7 - at % 8) & 1);
                }
                CHECK(substring.of(row.data()) == value);
            }
            CHECK(at == bits);
        }
    }
}

struct Found {
    std::vector<float> distances;
    std::vector<std::int64_t> ids;
    bool operator==(const Found&) const = default;
};

template <typename Ask>
Found ask(const std::vector<std::uint8_t>& queries, std::size_t bytes, std::size_t k,
          std::size_t threads, Ask ask) {
    const std::size_t count = queries.size() / bytes;
    Found found{std::vector<float>(count * k), std::vector<std::int64_t>(count * k)};
    ask(Queries{queries.data(), count, k, threads, found.distances.data(), found.ids.data()});
    return found;
}

void check_exact(PreparedIndex& index, const FlatIndex& flat, const std::vector<std::uint8_t>& rows,
                 const std::vector<std::uint8_t>& queries) {
    const Format& format = flat.format();
    index.add(rows.data(), 2000, nullptr, 1, {});
    for (const bool built : {false, true}) {
        if (built) index.build(2, {});
        CHECK((index.parts() > 0) == built);
        for (const std::size_t k : {1, 30, 2500}) {
            for (const std::size_t threads : {1, 3}) {
                CHECK(ask(queries, format.row_bytes, k, threads, [&](const Queries& q) {
                          index.search(q, {});
                      }) == ask(queries, format.row_bytes, k, 1, [&](const Queries& q) {
                          flat.search_all(q, {});
                      }));
            }
        }
        for (const float radius : {-1.0f, 0.0f, 2.5f, 1e9f}) {
            const Queries all{queries.data(), 9, 1, 2, nullptr, nullptr};
            const RangeResult a = index.range(all, radius, {});
            const RangeResult b = flat.range_all(all, radius, {});
            CHECK(a.limits == b.limits && a.ids == b.ids && a.distances == b.distances);
        }
    }
}

void every_length_and_number_of_tables_is_exact() {
    Random random(2);
    for (const std::size_t bits : {1, 7, 12, 36, 64, 65, 100, 200}) {
        const Format format = Format::of(Metric::hamming, Dtype::bits, bits);
        const auto rows = near_codes(random, 2000, bits), queries = near_codes(random, 9, bits);
        FlatIndex flat(format);
        flat.add(rows.data(), 2000, nullptr, 1, {});
        for (const std::size_t parts :
             {std::size_t{0}, fewest_parts(bits), std::min<std::size_t>(bits, 11)}) {
            MultiIndex index(format, parts);
            check_exact(index, flat, rows, queries);
        }
        for (const std::size_t clusters : {0, 1, 300, 5000}) {
            ClusterIndex index(format, clusters);
            check_exact(index, flat, rows, queries);
        }
    }
}

void impossible_tables_are_refused() {
    const auto refused = [](Metric metric, Dtype dtype, std::size_t dim, std::size_t parts) {
        try {
            MultiIndex(Format::of(metric, dtype, dim), parts);
        } catch (const std::invalid_argument&) {
            return true;
        }
        return false;
    };
    CHECK(refused(Metric::hamming, Dtype::bits, 129, 2));
    CHECK(refused(Metric::hamming, Dtype::bits, 12, 13));
    CHECK(refused(Metric::l2, Dtype::f32, 12, 2));
}

constexpr Test kTests[] = {
    {"multi index: substrings are the bits in order", substrings_are_the_bits_in_order},
    {"codes: every length and number of tables and clusters is exact",
     every_length_and_number_of_tables_is_exact},
    {"multi index: impossible tables are refused", impossible_tables_are_refused},
};

}  // namespace

std::span<const Test> multi_index_tests() {
    return kTests;
}
