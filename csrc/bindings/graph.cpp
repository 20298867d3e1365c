#include <nanobind/stl/optional.h>
#include <nanobind/stl/string_view.h>

#include <array>
#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "../graph/codes/cluster_index.hpp"
#include "../graph/codes/multi_index.hpp"
#include "index.hpp"

namespace bitgrove::bindings {
namespace {

using namespace graph;

template <typename Enum, std::size_t N>
Enum named(const std::array<std::string_view, N>& names, std::string_view name) {
    for (std::size_t i = 0; i < N; ++i) {
        if (names[i] == name) return static_cast<Enum>(i);
    }
    throw std::invalid_argument("[graph] unknown name '" + std::string(name) + "'");
}

Format format_of(std::string_view metric, std::string_view dtype, std::size_t dim) {
    constexpr std::array<std::string_view, 4> kMetrics{"l2", "ip", "cosine", "hamming"};
    constexpr std::array<std::string_view, 4> kDtypes{"float32", "float16", "uint8", "bits"};
    return Format::of(named<Metric>(kMetrics, metric), named<Dtype>(kDtypes, dtype), dim);
}

const std::uint8_t* checked(const Index& index, const Bytes& rows) {
    if (rows.shape(1) != index.format().row_bytes) {
        throw std::invalid_argument("[graph] rows must have " +
                                    std::to_string(index.format().row_bytes) + " bytes");
    }
    return rows.data();
}

const std::int64_t* checked(const std::optional<Ids>& ids, std::size_t count) {
    if (ids && ids->shape(0) != count) throw std::invalid_argument("[graph] one id for each row");
    return ids ? ids->data() : nullptr;
}

// Ten times a second: lets Ctrl-C stop the work, and tells `progress`; this also at the end of each
// stage.
class Ticker {
  public:
    explicit Ticker(nb::object progress) : progress_(std::move(progress)) {}

    void operator()(std::size_t done, std::size_t total, const char* stage) {
        const auto now = std::chrono::steady_clock::now();
        const bool told = done == total && !progress_.is_none();
        if (!told && now - last_ < std::chrono::milliseconds(100)) return;
        last_ = now;
        const nb::gil_scoped_acquire gil;
        if (PyErr_CheckSignals() != 0) throw nb::python_error();
        if (!progress_.is_none()) progress_(done, total, stage);
    }

  private:
    nb::object progress_;
    std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

Queries queries_of(const Index& index, const Bytes& rows, std::size_t k, std::size_t threads,
                   Out<float, 2>& distances, Out<std::int64_t, 2>& ids) {
    const std::uint8_t* data = checked(index, rows);
    for (const auto shape : {std::pair(distances.shape(0), distances.shape(1)),
                             std::pair(ids.shape(0), ids.shape(1))}) {
        if (shape != std::pair(rows.shape(0), k) || k < 1 || threads < 1) {
            throw std::invalid_argument("[graph] outputs must have shape (queries, k)");
        }
    }
    return {data, rows.shape(0), k, threads, distances.data(), ids.data()};
}

void add(Index& index, Bytes rows, std::optional<Ids> ids, std::size_t threads) {
    const std::uint8_t* data = checked(index, rows);
    const std::int64_t* numbers = checked(ids, rows.shape(0));
    Ticker ticker{nb::none()};
    nb::gil_scoped_release nogil;
    index.add(data, rows.shape(0), numbers, threads, std::ref(ticker));
}

void remove(Index& index, Ids ids, std::size_t threads) {
    nb::gil_scoped_release nogil;
    index.remove(ids.data(), ids.shape(0), threads);
}

void update(Index& index, Ids ids, Bytes rows, std::size_t threads) {
    const std::uint8_t* data = checked(index, rows);
    const std::int64_t* numbers = checked(std::optional(ids), rows.shape(0));
    Ticker ticker{nb::none()};
    nb::gil_scoped_release nogil;
    index.update(data, rows.shape(0), numbers, threads, std::ref(ticker));
}

bool untidy(const FanngIndex& index) {
    nb::gil_scoped_release nogil;
    return index.untidy();
}

nb::tuple rows(const Index& index) {
    RowsView view;
    {
        nb::gil_scoped_release nogil;
        view = index.rows();
    }
    return arrays_of(view, index.format().row_bytes);
}

void search_all(const Index& index, Bytes queries, std::size_t k, std::size_t threads,
                Out<float, 2> distances, Out<std::int64_t, 2> ids) {
    const Queries asked = queries_of(index, queries, k, threads, distances, ids);
    Ticker ticker{nb::none()};
    nb::gil_scoped_release nogil;
    index.search_all(asked, std::ref(ticker));
}

using Flags = In<std::uint8_t, 1>;

void ask_for(FanngIndex::Asked& asked, const std::optional<Flags>& flags,
             const std::optional<Ids>& filter) {
    if (flags && filter) throw std::invalid_argument("[graph] flags or ids, not both");
    if (flags) {
        asked.flags = flags->data();
        asked.filter_count = flags->shape(0);
    }
    if (filter) {
        asked.filter = filter->data();
        asked.filter_count = filter->shape(0);
    }
}

void search(const FanngIndex& index, Bytes queries, std::size_t k, std::size_t width,
            std::size_t budget, std::int64_t nanoseconds, std::optional<Ids> starts,
            std::optional<Flags> flags, std::optional<Ids> filter, std::size_t interleave,
            std::size_t threads, Out<float, 2> distances, Out<std::int64_t, 2> ids) {
    if (interleave < 1 || interleave > 16) {
        throw std::invalid_argument("[graph] interleave must be in 1 ..= 16");
    }
    const Queries all = queries_of(index, queries, k, threads, distances, ids);
    FanngIndex::Asked asked;
    asked.width = width;
    asked.budget = budget;
    asked.interleave = interleave;
    if (nanoseconds > 0) asked.time = std::chrono::nanoseconds(nanoseconds);
    asked.starts = checked(starts, queries.shape(0));
    ask_for(asked, flags, filter);
    Ticker ticker{nb::none()};
    nb::gil_scoped_release nogil;
    index.search(all, asked, std::ref(ticker));
}

void backtrack(const FanngIndex& index, Bytes queries, std::size_t k, std::size_t budget,
               std::size_t degree, std::optional<Ids> starts, std::size_t threads,
               Out<float, 2> distances, Out<std::int64_t, 2> ids) {
    const Queries all = queries_of(index, queries, k, threads, distances, ids);
    const std::int64_t* from = checked(starts, queries.shape(0));
    Ticker ticker{nb::none()};
    nb::gil_scoped_release nogil;
    index.backtrack(all, budget, degree, from, std::ref(ticker));
}

Queries range_queries(const Index& index, const Bytes& rows, std::size_t threads) {
    if (threads < 1) throw std::invalid_argument("[graph] threads must be at least 1");
    return {checked(index, rows), rows.shape(0), 1, threads, nullptr, nullptr};
}

nb::tuple arrays_of(RangeResult result) {
    return nb::make_tuple(array_of(std::move(result.limits)), array_of(std::move(result.distances)),
                          array_of(std::move(result.ids)));
}

nb::tuple range_all(const Index& index, Bytes queries, float radius, std::size_t threads) {
    const Queries asked = range_queries(index, queries, threads);
    Ticker ticker{nb::none()};
    std::optional<RangeResult> result;
    {
        nb::gil_scoped_release nogil;
        result = index.range_all(asked, radius, std::ref(ticker));
    }
    return arrays_of(std::move(*result));
}

nb::tuple range(const FanngIndex& index, Bytes queries, float radius, std::size_t width,
                std::optional<Flags> flags, std::optional<Ids> filter, std::size_t threads) {
    const Queries all = range_queries(index, queries, threads);
    FanngIndex::Asked asked;
    asked.width = width;
    ask_for(asked, flags, filter);
    Ticker ticker{nb::none()};
    std::optional<RangeResult> result;
    {
        nb::gil_scoped_release nogil;
        result = index.range(all, radius, asked, std::ref(ticker));
    }
    return arrays_of(std::move(*result));
}

void build(FanngIndex& index, std::size_t threads, std::uint64_t seed, std::size_t width,
           float relax, bool codes, nb::object progress) {
    Ticker ticker(std::move(progress));
    nb::gil_scoped_release nogil;
    index.build({threads, seed, width, relax, codes}, std::ref(ticker));
}

void build_by_traversal(FanngIndex& index, std::size_t threads, std::uint64_t seed, double success,
                        double tau, bool refine, nb::object progress) {
    Ticker ticker(std::move(progress));
    TraverseOptions options;
    options.threads = threads;
    options.seed = seed;
    options.success = success;
    options.tau = tau;
    options.refine = refine;
    nb::gil_scoped_release nogil;
    index.build_by_traversal(options, std::ref(ticker));
}

void prepare(PreparedIndex& index, std::size_t threads, nb::object progress) {
    Ticker ticker(std::move(progress));
    nb::gil_scoped_release nogil;
    index.build(threads, std::ref(ticker));
}

std::size_t parts(const PreparedIndex& index) {
    nb::gil_scoped_release nogil;
    return index.parts();
}

void search_prepared(const PreparedIndex& index, Bytes queries, std::size_t k, std::size_t threads,
                     Out<float, 2> distances, Out<std::int64_t, 2> ids) {
    const Queries asked = queries_of(index, queries, k, threads, distances, ids);
    Ticker ticker{nb::none()};
    nb::gil_scoped_release nogil;
    index.search(asked, std::ref(ticker));
}

nb::tuple range_prepared(const PreparedIndex& index, Bytes queries, float radius,
                         std::size_t threads) {
    const Queries asked = range_queries(index, queries, threads);
    Ticker ticker{nb::none()};
    std::optional<RangeResult> result;
    {
        nb::gil_scoped_release nogil;
        result = index.range(asked, radius, std::ref(ticker));
    }
    return arrays_of(std::move(*result));
}

std::int64_t next_id(const Index& index) {
    nb::gil_scoped_release nogil;
    return index.next_id();
}

std::size_t unit_rows(In<float, 2> rows, Out<float, 2> out) {
    if (out.shape(0) != rows.shape(0) || out.shape(1) != rows.shape(1)) {
        throw std::invalid_argument("[unit_rows] out must have the shape of rows");
    }
    nb::gil_scoped_release nogil;
    return graph::unit_rows(rows.data(), rows.shape(0), rows.shape(1), out.data());
}

}  // namespace

void bind_graph(nb::module_& m) {
    m.attr("DEFAULT_WIDTH") = kWidth;
    m.attr("MAX_UINT8_DIM") = kMaxBytesDim;
    m.def("unit_rows", &unit_rows, "rows"_a.noconvert(), "out"_a.noconvert());
    nb::class_<Index>(m, "Index")
        .def("__len__", &Index::size)
        .def_prop_ro("next_id", &next_id)
        .def("rows", &rows)
        .def("add", &add, "rows"_a.noconvert(), "ids"_a.noconvert().none(), "threads"_a)
        .def("remove", &remove, "ids"_a.noconvert(), "threads"_a)
        .def("update", &update, "ids"_a.noconvert(), "rows"_a.noconvert(), "threads"_a)
        .def("range_all", &range_all, "queries"_a.noconvert(), "radius"_a, "threads"_a)
        .def("search_all", &search_all, "queries"_a.noconvert(), "k"_a, "threads"_a,
             "distances"_a.noconvert(), "ids"_a.noconvert());
    nb::class_<FlatIndex, Index>(m, "FlatIndex")
        .def(
            "__init__",
            [](FlatIndex* self, std::size_t dim, std::string_view metric, std::string_view dtype) {
                new (self) FlatIndex(format_of(metric, dtype, dim));
            },
            "dim"_a, "metric"_a, "dtype"_a)
        .def("restore", &restore_flat, "rows"_a.noconvert(), "ids"_a.noconvert(), "next_id"_a,
             "verify"_a);
    nb::class_<PreparedIndex, FlatIndex>(m, "PreparedIndex")
        .def_prop_ro("parts", &parts)
        .def("build", &prepare, "threads"_a, "progress"_a.none())
        .def("search", &search_prepared, "queries"_a.noconvert(), "k"_a, "threads"_a,
             "distances"_a.noconvert(), "ids"_a.noconvert())
        .def("range", &range_prepared, "queries"_a.noconvert(), "radius"_a, "threads"_a);
    nb::class_<MultiIndex, PreparedIndex>(m, "MultiIndex")
        .def(
            "__init__",
            [](MultiIndex* self, std::size_t bits, std::size_t tables) {
                new (self) MultiIndex(format_of("hamming", "bits", bits), tables);
            },
            "bits"_a, "tables"_a)
        .def_prop_ro("scanned", &MultiIndex::scanned);
    nb::class_<ClusterIndex, PreparedIndex>(m, "ClusterIndex")
        .def(
            "__init__",
            [](ClusterIndex* self, std::size_t bits, std::size_t clusters) {
                new (self) ClusterIndex(format_of("hamming", "bits", bits), clusters);
            },
            "bits"_a, "clusters"_a);
    nb::class_<FanngIndex, Index>(m, "FanngIndex")
        .def(
            "__init__",
            [](FanngIndex* self, std::size_t dim, std::string_view metric, std::string_view dtype,
               std::uint32_t max_degree) {
                new (self) FanngIndex(format_of(metric, dtype, dim), max_degree);
            },
            "dim"_a, "metric"_a, "dtype"_a, "max_degree"_a)
        .def_prop_ro("built", &FanngIndex::built)
        .def_prop_ro("distances_computed", &FanngIndex::distances_computed)
        .def("untidy", &untidy)
        .def("build", &build, "threads"_a, "seed"_a, "width"_a, "relax"_a, "codes"_a,
             "progress"_a.none())
        .def("build_by_traversal", &build_by_traversal, "threads"_a, "seed"_a, "success"_a, "tau"_a,
             "refine"_a, "progress"_a.none())
        .def("search", &search, "queries"_a.noconvert(), "k"_a, "width"_a, "budget"_a,
             "nanoseconds"_a, "starts"_a.noconvert().none(), "flags"_a.noconvert().none(),
             "filter"_a.noconvert().none(), "interleave"_a, "threads"_a, "distances"_a.noconvert(),
             "ids"_a.noconvert())
        .def("range", &range, "queries"_a.noconvert(), "radius"_a, "width"_a,
             "flags"_a.noconvert().none(), "filter"_a.noconvert().none(), "threads"_a)
        .def("backtrack", &backtrack, "queries"_a.noconvert(), "k"_a, "budget"_a, "degree"_a,
             "starts"_a.noconvert().none(), "threads"_a, "distances"_a.noconvert(),
             "ids"_a.noconvert())
        .def("state", &state)
        .def("restore", &restore, "rows"_a.noconvert(), "ids"_a.noconvert(), "next_id"_a,
             "edges"_a.noconvert().none(), "vertices"_a.noconvert().none(),
             "low"_a.noconvert().none(), "codes"_a.noconvert().none(), "step"_a, "lift_places"_a,
             "exact"_a, "start"_a, "squared_bound"_a, "checked"_a, "verify"_a);
}

}  // namespace bitgrove::bindings
