#include <stdexcept>

#include "../graph/cluster/sums.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

template <typename T>
void bind_add_to_sums(nb::module_& m) {
    m.def(
        "add_to_sums",
        [](In<T, 2> rows, In<std::int64_t, 1> labels, In<float, 1> distances, Out<double, 2> sums,
           Out<std::int64_t, 1> counts, Out<double, 1> errors, std::size_t threads) {
            const std::size_t count = rows.shape(0), clusters = sums.shape(0);
            if (labels.shape(0) != count || distances.shape(0) != count ||
                sums.shape(1) != rows.shape(1) || counts.shape(0) != clusters ||
                errors.shape(0) != clusters || threads < 1) {
                throw std::invalid_argument(
                    "[add_to_sums] rows (n, d), labels (n), distances (n), sums (k, d), counts "
                    "(k), "
                    "errors (k)");
            }
            nb::gil_scoped_release nogil;
            graph::add_to_sums({clusters, sums.shape(1), sums.data(), counts.data(), errors.data()},
                               rows.data(), count, labels.data(), distances.data(), threads);
        },
        "rows"_a.noconvert(), "labels"_a.noconvert(), "distances"_a.noconvert(),
        "sums"_a.noconvert(), "counts"_a.noconvert(), "errors"_a.noconvert(), "threads"_a);
}

}  // namespace

void bind_cluster(nb::module_& m) {
    bind_add_to_sums<std::uint8_t>(m);
    bind_add_to_sums<float>(m);
}

}  // namespace bitgrove::bindings
