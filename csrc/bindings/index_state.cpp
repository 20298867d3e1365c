// Indexes as the arrays and settings of their files.
#include <nanobind/stl/optional.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "index.hpp"

namespace bitgrove::bindings {

using namespace graph;

namespace {

// Memory of a writable array, kept alive by it.
template <typename Array>
auto block_of(const Array& array) {
    auto* held = new Array(array);
    return borrowed_block(array.data(), std::shared_ptr<void>(held, [](void* p) {
                              const nb::gil_scoped_acquire gil;
                              delete static_cast<Array*>(p);
                          }));
}

}  // namespace

nb::tuple state(const FanngIndex& index) {
    FanngIndex::State state;
    {
        nb::gil_scoped_release nogil;
        state = index.state();
    }
    nb::dict arrays, settings;
    const nb::tuple rows = arrays_of(state.rows, index.format().row_bytes);
    arrays["vectors"] = rows[0];
    arrays["ids"] = rows[1];
    settings["next_id"] = state.next_id;
    settings["built"] = state.built;
    if (state.built) {
        const std::size_t coded = state.low.size() + state.lift_places;
        const auto shaped = [&]<typename T>(std::vector<T>& values, std::size_t columns) {
            auto owner = std::make_shared<std::vector<T>>(std::move(values));
            return array_of<T>(owner->data(), {state.rows.count, columns}, owner);
        };
        arrays["edges"] = shaped(state.edges, index.max_degree());
        if (!state.vertices.empty()) arrays["vertices"] = array_of(std::move(state.vertices));
        settings["start"] = state.start;
        settings["squared_bound"] = state.squared_bound;
        settings["checked"] = state.checked;
        settings["coded"] = !state.low.empty();
        if (!state.low.empty()) {
            arrays["low"] = array_of(std::move(state.low));
            arrays["codes"] = shaped(state.codes, Codes::stride_of(coded));
            settings["step"] = state.step;
            settings["lift_places"] = state.lift_places;
            settings["exact"] = state.exact;
        }
    }
    return nb::make_tuple(arrays, settings);
}

void restore(FanngIndex& index, Out<std::uint8_t, 2> rows, Out<std::int64_t, 1> ids,
             std::int64_t next_id, std::optional<Out<std::uint32_t, 2>> edges,
             std::optional<In<std::uint32_t, 1>> vertices, std::optional<In<float, 1>> low,
             std::optional<Out<std::uint8_t, 2>> codes, float step, std::size_t lift_places,
             bool exact, std::int64_t start, double squared_bound, std::size_t checked_rows,
             bool verify) {
    const std::size_t count = rows.shape(0);
    if (rows.shape(1) != index.format().row_bytes || ids.shape(0) != count) {
        throw std::invalid_argument("vectors and ids must be as many, of the index's row length");
    }
    std::optional<Stored> stored;
    if (edges) {
        if (edges->shape(0) != count || edges->shape(1) != index.max_degree()) {
            throw std::invalid_argument("edges must have shape (rows, max_degree)");
        }
        stored.emplace();
        stored->edges = block_of(*edges);
        if (vertices) {
            stored->vertices.assign(vertices->data(), vertices->data() + vertices->shape(0));
        }
        if (low) {
            const std::size_t bytes = Codes::stride_of(low->shape(0) + lift_places);
            if (!codes || codes->shape(0) != count || codes->shape(1) != bytes) {
                throw std::invalid_argument("codes must have shape (rows, " +
                                            std::to_string(bytes) + ")");
            }
            stored->coder.emplace();
            stored->coder->low.assign(low->data(), low->data() + low->shape(0));
            stored->coder->step = step;
            stored->coder->lift_places = lift_places;
            stored->coder->exact = exact;
            stored->codes = block_of(*codes);
        }
        stored->start = start;
        stored->squared_bound = squared_bound;
        stored->checked = checked_rows;
    }
    auto row_block = block_of(rows);
    auto id_block = block_of(ids);
    nb::gil_scoped_release nogil;
    index.restore(std::move(row_block), std::move(id_block), count, next_id, std::move(stored),
                  verify);
}

void restore_flat(FlatIndex& index, Out<std::uint8_t, 2> rows, Out<std::int64_t, 1> ids,
                  std::int64_t next_id, bool verify) {
    const std::size_t count = rows.shape(0);
    if (rows.shape(1) != index.format().row_bytes || ids.shape(0) != count) {
        throw std::invalid_argument("vectors and ids must be as many, of the index's row length");
    }
    auto row_block = block_of(rows);
    auto id_block = block_of(ids);
    nb::gil_scoped_release nogil;
    index.restore(std::move(row_block), std::move(id_block), count, next_id, verify);
}

}  // namespace bitgrove::bindings
