// What retrieval scores are made of: counts of distances, and average precision from groups.
#include <algorithm>
#include <cstdint>
#include <vector>

#include "../dispatch/table.hpp"
#include "../graph/parallel.hpp"
#include "../metrics/average_precision.hpp"
#include "../metrics/random_order.hpp"
#include "../metrics/slices.hpp"
#include "../runtime/value.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

using namespace bitgrove::metrics;
using runtime::require;

void count(const Slices& self, In<std::uint8_t, 2> queries, In<std::uint64_t, 2> masks,
           In<std::uint32_t, 1> mask_of, Out<std::uint32_t, 2> others,
           Out<std::uint32_t, 2> relevant, std::size_t threads) {
    const std::size_t n = queries.shape(0), distances = 8 * self.bytes() + 1;
    require(queries.shape(1) == self.bytes(), "[slices] queries must be as long as the codes");
    require(masks.shape(1) == self.words(), "[slices] a mask must have 8 words for 512 rows");
    require(mask_of.shape(0) == n, "[slices] mask_of must name a mask for each query");
    for (const auto& out : {others, relevant}) {
        require(out.shape(0) == n && out.shape(1) == distances,
                "[slices] counts must have shape (queries, bits + 1)");
    }
    require(threads >= 1, "threads must be at least 1");
    nb::gil_scoped_release nogil;
    self.count({queries.data(), n, masks.data(), masks.shape(0), mask_of.data(), others.data(),
                relevant.data()},
               active(), threads);
}

Rule rule_of(std::size_t form, std::size_t ties, std::size_t divisor, std::size_t at) {
    require(form < 3 && ties < 3 && divisor < 3, "form, ties and divisor must be 0, 1 or 2");
    return {static_cast<Form>(form), static_cast<Ties>(ties), static_cast<Divisor>(divisor), at};
}

void of_counts(In<std::uint32_t, 2> others, In<std::uint32_t, 2> relevant, std::size_t form,
               std::size_t ties, std::size_t divisor, std::size_t at, Out<double, 1> values,
               Out<double, 1> defined) {
    const std::size_t n = others.shape(0), groups = others.shape(1);
    require(relevant.shape(0) == n && relevant.shape(1) == groups && values.shape(0) == n &&
                defined.shape(0) == n,
            "[average_precisions] others and relevant (n, groups), values and defined (n)");
    const Rule rule = rule_of(form, ties, divisor, at);
    nb::gil_scoped_release nogil;
    const AveragePrecision precision(rule);
    for (std::size_t q = 0; q < n; ++q) {
        const Score score =
            precision.of(others.data() + q * groups, relevant.data() + q * groups, groups);
        values.data()[q] = score.value;
        defined.data()[q] = score.defined;
    }
}

// A value for each query and drawn order, NaN where there is nothing to divide by.
void drawn_of_counts(In<std::uint32_t, 2> others, In<std::uint32_t, 2> relevant, std::size_t form,
                     std::size_t divisor, std::size_t at, std::uint64_t seed,
                     Out<double, 2> values) {
    const std::size_t n = others.shape(0), groups = others.shape(1), orders = values.shape(1);
    require(relevant.shape(0) == n && relevant.shape(1) == groups && values.shape(0) == n,
            "[drawn_precisions] others and relevant (n, groups), values (n, orders)");
    const Rule rule = rule_of(form, 0, divisor, at);
    nb::gil_scoped_release nogil;
    RandomOrder order(rule);
    for (std::size_t q = 0; q < n; ++q) {
        order.draw(others.data() + q * groups, relevant.data() + q * groups, groups, seed, q,
                   values.data() + q * orders, orders);
    }
}

// Sizes of the groups of equal numbers in two sorted rows that are merged.
void merge(const std::vector<double>& others, const std::vector<double>& relevant,
           std::vector<std::uint32_t>& n_others, std::vector<std::uint32_t>& n_relevant) {
    n_others.clear(), n_relevant.clear();
    std::size_t i = 0, j = 0;
    while (i < others.size() || j < relevant.size()) {
        const double least = j == relevant.size() || (i < others.size() && others[i] < relevant[j])
                                 ? others[i]
                                 : relevant[j];
        const std::size_t from = i, first = j;
        while (i < others.size() && others[i] == least) ++i;
        while (j < relevant.size() && relevant[j] == least) ++j;
        n_others.push_back(static_cast<std::uint32_t>(i - from));
        n_relevant.push_back(static_cast<std::uint32_t>(j - first));
    }
}

// By every rule (form, ties, divisor, at), and in orders drawn for the first of them.
template <typename T>
void of_scores(In<T, 2> scores, bool higher_is_better, In<std::uint64_t, 2> masks,
               In<std::uint32_t, 1> mask_of, In<std::int64_t, 1> own, In<std::uint64_t, 2> rules,
               std::uint64_t seed, std::size_t first, Out<double, 2> values, Out<double, 2> defined,
               Out<double, 2> drawn, std::size_t threads) {
    const std::size_t n = scores.shape(0), rows = scores.shape(1), count = rules.shape(0);
    require(masks.shape(1) >= (rows + 63) / 64, "[average_precisions] a mask must have all rows");
    require(mask_of.shape(0) == n && own.shape(0) == n && drawn.shape(0) == n && threads >= 1,
            "[average_precisions] one mask, own row and set of drawn orders for each query");
    require(count >= 1 && rules.shape(1) == 4, "[average_precisions] rules of four numbers");
    for (const auto& out : {values, defined}) {
        require(out.shape(0) == n && out.shape(1) == count,
                "[average_precisions] a value and a probability for each query and rule");
    }
    for (std::size_t q = 0; q < n; ++q) {
        require(mask_of.data()[q] < masks.shape(0), "[average_precisions] no such mask");
    }
    std::vector<Rule> asked;
    for (const std::uint64_t* r = rules.data(); asked.size() < count; r += 4) {
        asked.push_back(rule_of(r[0], r[1], r[2], r[3]));
    }
    nb::gil_scoped_release nogil;
    const std::vector<AveragePrecision> precisions(asked.begin(), asked.end());
    const auto work = [&](std::size_t begin, std::size_t end, std::size_t) {
        std::vector<double> others, relevant;
        std::vector<std::uint32_t> n_others, n_relevant;
        RandomOrder order(asked.front());
        for (std::size_t q = begin; q < end; ++q) {
            const T* row = scores.data() + q * rows;
            const std::uint64_t* mask = masks.data() + mask_of.data()[q] * masks.shape(1);
            others.clear(), relevant.clear();
            for (std::size_t i = 0; i < rows; ++i) {
                if (static_cast<std::int64_t>(i) == own.data()[q]) continue;
                const auto score = static_cast<double>(row[i]);
                (mask[i / 64] >> i % 64 & 1 ? relevant : others)
                    .push_back(higher_is_better ? -score : score);
            }
            std::sort(others.begin(), others.end());
            std::sort(relevant.begin(), relevant.end());
            merge(others, relevant, n_others, n_relevant);
            for (std::size_t r = 0; r < count; ++r) {
                const Score score =
                    precisions[r].of(n_others.data(), n_relevant.data(), n_others.size());
                values.data()[q * count + r] = score.value;
                defined.data()[q * count + r] = score.defined;
            }
            order.draw(n_others.data(), n_relevant.data(), n_others.size(), seed, first + q,
                       drawn.data() + q * drawn.shape(1), drawn.shape(1));
        }
    };
    graph::parallel_blocks(n, 1, threads, "", {}, work);
}

template <typename T>
void bind_of_scores(nb::module_& m) {
    m.def("average_precisions_of_scores", &of_scores<T>, "scores"_a.noconvert(),
          "higher_is_better"_a, "masks"_a.noconvert(), "mask_of"_a.noconvert(), "own"_a.noconvert(),
          "rules"_a.noconvert(), "seed"_a, "first"_a, "values"_a.noconvert(),
          "defined"_a.noconvert(), "drawn"_a.noconvert(), "threads"_a);
}

}  // namespace

void bind_metrics(nb::module_& m) {
    nb::class_<Slices>(m, "Slices")
        .def(
            "__init__",
            [](Slices* self, In<std::uint8_t, 2> codes) {
                new (self) Slices(codes.data(), codes.shape(0), codes.shape(1));
            },
            "codes"_a.noconvert())
        .def_prop_ro("words", &Slices::words)
        .def("count", &count, "queries"_a.noconvert(), "masks"_a.noconvert(),
             "mask_of"_a.noconvert(), "others"_a.noconvert(), "relevant"_a.noconvert(),
             "threads"_a);
    m.def("average_precisions", &of_counts, "others"_a.noconvert(), "relevant"_a.noconvert(),
          "form"_a, "ties"_a, "divisor"_a, "at"_a, "values"_a.noconvert(), "defined"_a.noconvert());
    m.def("drawn_precisions", &drawn_of_counts, "others"_a.noconvert(), "relevant"_a.noconvert(),
          "form"_a, "divisor"_a, "at"_a, "seed"_a, "values"_a.noconvert());
    bind_of_scores<float>(m);
    bind_of_scores<double>(m);
}

}  // namespace bitgrove::bindings
