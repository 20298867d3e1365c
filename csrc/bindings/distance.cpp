#include <stdexcept>

#include "../dispatch/table.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

// Binds one kernel for all pairs of rows of two matrices.
template <typename T, typename Result>
void bind_pairs(nb::module_& m, const char* name,
                Result (*DistanceKernels::*kernel)(const T*, const T*, std::size_t)) {
    m.def(
        name,
        [kernel](In<T, 2> a, In<T, 2> b, Out<Result, 2> out) {
            if (a.shape(1) != b.shape(1) || out.shape(0) != a.shape(0) ||
                out.shape(1) != b.shape(0)) {
                throw std::invalid_argument(
                    "[distance] a (n, d) and b (m, d) need out of shape (n, m)");
            }
            nb::gil_scoped_release nogil;
            const auto distance = active().distance.*kernel;
            const std::size_t dim = a.shape(1), columns = b.shape(0);
            for (std::size_t i = 0; i < a.shape(0); ++i) {
                for (std::size_t j = 0; j < columns; ++j) {
                    out.data()[i * columns + j] =
                        distance(a.data() + i * dim, b.data() + j * dim, dim);
                }
            }
        },
        "a"_a.noconvert(), "b"_a.noconvert(), "out"_a.noconvert());
}

}  // namespace

void bind_distance(nb::module_& m) {
    bind_pairs<float>(m, "l2_f32", &DistanceKernels::l2_f32);
    bind_pairs<float>(m, "ip_f32", &DistanceKernels::ip_f32);
    // Halves travel as the uint16 view of a float16 array.
    bind_pairs<std::uint16_t>(m, "l2_f16", &DistanceKernels::l2_f16);
    bind_pairs<std::uint16_t>(m, "ip_f16", &DistanceKernels::ip_f16);
    bind_pairs<std::uint8_t>(m, "l2_u8", &DistanceKernels::l2_u8);
    bind_pairs<std::uint8_t>(m, "ip_u8", &DistanceKernels::ip_u8);
    bind_pairs<std::uint8_t>(m, "hamming_bytes", &DistanceKernels::hamming);
}

}  // namespace bitgrove::bindings
