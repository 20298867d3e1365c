// What every binding file shares. Binding files check shapes, drop the GIL and forward: no
// arithmetic.
#pragma once
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>

namespace bitgrove::bindings {

namespace nb = nanobind;
using namespace nb::literals;

template <typename T, int Dims>
using In = nb::ndarray<const T, nb::ndim<Dims>, nb::c_contig, nb::device::cpu>;
template <typename T, int Dims>
using Out = nb::ndarray<T, nb::numpy, nb::ndim<Dims>, nb::c_contig, nb::device::cpu>;

void bind_kernels(nb::module_& m);
void bind_distance(nb::module_& m);
void bind_graph(nb::module_& m);
void bind_blocks(nb::module_& m);
void bind_cluster(nb::module_& m);
void bind_ferns(nb::module_& m);
void bind_runtime(nb::module_& m);
void bind_forest(nb::module_& m);
void bind_metrics(nb::module_& m);

}  // namespace bitgrove::bindings
