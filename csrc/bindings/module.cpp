#include "module.hpp"

NB_MODULE(_core, m) {
    m.doc() =
        "Kernels, graph index and packed-network executor. Use bitgrove.kernels, bitgrove.search "
        "and bitgrove.runtime, which check their arguments.";
    bitgrove::bindings::bind_kernels(m);
    bitgrove::bindings::bind_distance(m);
    bitgrove::bindings::bind_graph(m);
    bitgrove::bindings::bind_runtime(m);
}
