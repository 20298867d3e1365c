// What a child of a fork does with what another thread may have been at.
#pragma once
#include <new>

namespace bitgrove::graph {

// Made anew, without ending the old one.
template <typename T>
void renew(T& old) {
    new (&old) T;
}

}  // namespace bitgrove::graph
