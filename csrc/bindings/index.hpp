// What the bindings of the indexes share: their arrays.
#pragma once
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "../graph/index.hpp"
#include "module.hpp"

namespace bitgrove::bindings {

using Bytes = In<std::uint8_t, 2>;  // rows of any element type travel as bytes
using Ids = In<std::int64_t, 1>;

template <typename T>
using NumPy = nb::ndarray<nb::numpy, const T>;

// A read-only array that keeps its owner alive.
template <typename T, typename Owner>
NumPy<T> array_of(const T* data, std::initializer_list<std::size_t> shape, Owner owner) {
    auto* held = new Owner(std::move(owner));
    const nb::capsule capsule(held, [](void* p) noexcept { delete static_cast<Owner*>(p); });
    return NumPy<T>(data, shape, capsule);
}

template <typename T>
NumPy<T> array_of(std::vector<T> values) {
    auto owner = std::make_shared<std::vector<T>>(std::move(values));
    return array_of<T>(owner->data(), {owner->size()}, owner);
}

inline nb::tuple arrays_of(const graph::RowsView& view, std::size_t row_bytes) {
    return nb::make_tuple(
        array_of<std::uint8_t>(view.data.get(), {view.count, row_bytes}, view.data),
        array_of<std::int64_t>(view.ids.get(), {view.count}, view.ids));
}

// Of index_state.cpp: the arrays and settings that a file holds; the arrays of the graph only if
// there is one.
nb::tuple state(const graph::FanngIndex& index);
// Take over arrays of the shapes that `state` gives, without copying; all must be writable, since
// later changes of the index write to them (a mapped file is mapped copy-on-write).
void restore(graph::FanngIndex& index, Out<std::uint8_t, 2> rows, Out<std::int64_t, 1> ids,
             std::int64_t next_id, std::optional<Out<std::uint32_t, 2>> edges,
             std::optional<In<std::uint32_t, 1>> vertices, std::optional<In<float, 1>> low,
             std::optional<Out<std::uint8_t, 2>> codes, float step, std::size_t lift_places,
             bool exact, std::int64_t start, double squared_bound, std::size_t checked_rows,
             bool verify);
void restore_flat(graph::FlatIndex& index, Out<std::uint8_t, 2> rows, Out<std::int64_t, 1> ids,
                  std::int64_t next_id, bool verify);

}  // namespace bitgrove::bindings
