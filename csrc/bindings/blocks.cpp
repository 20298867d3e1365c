#include <functional>
#include <stdexcept>

#include "../graph/blocks/block_search.hpp"
#include "module.hpp"

namespace bitgrove::bindings {
namespace {

using namespace graph;

void require(bool condition, const char* what) {
    if (!condition) throw std::invalid_argument(what);
}

std::size_t groups_for(std::size_t rows) {
    return (rows + kBlockGroup - 1) / kBlockGroup;
}

void group(In<std::uint8_t, 2> codes, Out<std::uint8_t, 3> groups) {
    require(groups.shape(0) == groups_for(codes.shape(0)) && groups.shape(1) == codes.shape(1) &&
                groups.shape(2) == kBlockGroup,
            "[group_blocks] groups must have shape (ceil(rows / 64), blocks, 64)");
    nb::gil_scoped_release nogil;
    group_blocks(codes.data(), codes.shape(0), codes.shape(1), groups.data());
}

// Codes must be below `values`: who calls this has looked.
void search(In<std::uint8_t, 3> groups, In<std::int64_t, 1> ids, std::size_t values,
            In<float, 2> queries, std::size_t threads, Out<float, 2> scores,
            Out<std::int64_t, 2> found) {
    const BlockRows rows{groups.data(), ids.data(), ids.shape(0), groups.shape(1), values};
    require(groups.shape(0) == groups_for(rows.count) && groups.shape(2) == kBlockGroup,
            "[search_blocks] one id for each row in the groups");
    require(rows.blocks >= 1 && rows.blocks <= kMaxBlocks && values >= 1 &&
                values <= kMaxBlockValues && rows.count < (std::size_t{1} << 31),
            "[search_blocks] too many blocks, values or rows");
    require(queries.shape(1) == rows.blocks * values, "[search_blocks] queries of blocks * values");
    require(scores.shape(0) == queries.shape(0) && found.shape(0) == queries.shape(0) &&
                scores.shape(1) == found.shape(1) && found.shape(1) >= 1 && threads >= 1,
            "[search_blocks] outputs must have shape (queries, k)");
    const BlockQueries asked{queries.data(), queries.shape(0), found.shape(1),
                             threads,        scores.data(),    found.data()};
    nb::gil_scoped_release nogil;
    search_blocks(rows, asked, [](std::size_t, std::size_t, const char*) {
        const nb::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
    });
}

}  // namespace

void bind_blocks(nb::module_& m) {
    m.attr("BLOCK_GROUP") = kBlockGroup;
    m.attr("MAX_BLOCKS") = kMaxBlocks;
    m.def("group_blocks", &group, "codes"_a.noconvert(), "groups"_a.noconvert());
    m.def("search_blocks", &search, "groups"_a.noconvert(), "ids"_a.noconvert(), "values"_a,
          "queries"_a.noconvert(), "threads"_a, "scores"_a.noconvert(), "found"_a.noconvert());
}

}  // namespace bitgrove::bindings
