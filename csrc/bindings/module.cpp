#include "module.hpp"

#include <cstdlib>

NB_MODULE(_core, m) {
    // Objects that live until the interpreter ends are reported to those who ask for it.
    nanobind::set_leak_warnings(std::getenv("BITGROVE_DEBUG") != nullptr);
    m.doc() =
        "Kernels, graph index and packed-network executor. Use bitgrove.kernels, bitgrove.search "
        "and bitgrove.runtime, which check their arguments.";
    bitgrove::bindings::bind_kernels(m);
    bitgrove::bindings::bind_distance(m);
    bitgrove::bindings::bind_graph(m);
    bitgrove::bindings::bind_blocks(m);
    bitgrove::bindings::bind_cluster(m);
    bitgrove::bindings::bind_ferns(m);
    bitgrove::bindings::bind_runtime(m);
    bitgrove::bindings::bind_forest(m);
    bitgrove::bindings::bind_metrics(m);
}
