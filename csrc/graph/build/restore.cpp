#include "restore.hpp"

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "prepare.hpp"

namespace bitgrove::graph {
namespace {

[[noreturn]] void refuse(const std::string& what) {
    throw std::invalid_argument(what);
}

std::string of_row(std::size_t row) {
    return " of row " + std::to_string(row);
}

void check_codes(const Graph& graph, const Rows& rows) {
    const Coder& coder = graph.codes->coder();
    std::vector<std::uint8_t> code(graph.codes->stride());
    for (std::size_t r = 0; r < rows.size(); ++r) {
        const float lift = graph.lift.empty() ? 0 : graph.lift[r];
        coder.encode(rows.format(), rows.row(r), lift, code.data());
        if (std::memcmp(code.data(), graph.codes->code(r), code.size()) != 0) {
            refuse("codes: that" + of_row(r) + " does not stand for its elements");
        }
    }
}

void check_edges(const Graph& graph, std::size_t rows) {
    for (std::size_t r = 0; r < rows; ++r) {
        const Row row = static_cast<Row>(r);
        const Row* const ends = graph.edges.list(row);
        std::size_t degree = 0;
        for (; degree < graph.edges.stride() && ends[degree] != kNoRow; ++degree) {
            const Row end = ends[degree];
            if (end >= rows || end == row || !graph.twins.is_vertex(end)) {
                refuse("edges: one" + of_row(r) + " does not lead to another vertex");
            }
        }
        if (degree > 0 && !graph.twins.is_vertex(row)) {
            refuse("edges: row " + std::to_string(r) + " repeats an earlier one and has edges");
        }
        for (; degree < graph.edges.stride(); ++degree) {
            if (ends[degree] != kNoRow) refuse("edges: those" + of_row(r) + " have a gap");
        }
    }
    const std::vector<bool> reached = reachable(graph);
    for (std::size_t r = 0; r < rows; ++r) {
        if (!reached[r] && graph.twins.is_vertex(static_cast<Row>(r))) {
            refuse("edges: row " + std::to_string(r) + " cannot be reached from the start");
        }
    }
}

}  // namespace

void check_graph(const Graph& graph, const Rows& rows) {
    check_edges(graph, rows.size());
    if (graph.codes) check_codes(graph, rows);
}

Graph restore_graph(const Rows& rows, std::uint32_t max_degree, Stored stored, bool verify) {
    const std::size_t n = rows.size();
    Graph graph(max_degree);
    if (!std::isfinite(stored.squared_bound) || stored.squared_bound < 0) {
        refuse("settings: squared_bound must be finite and not negative");
    }
    if (stored.checked > n) refuse("settings: checked must be at most the number of rows");
    graph.squared_bound = stored.squared_bound;
    graph.checked = stored.checked;
    if (!stored.vertices.empty() && stored.vertices.size() != n) {
        refuse("vertices: expected one for each row, or none");
    }
    for (std::size_t r = 0; r < n; ++r) {
        const Row row = static_cast<Row>(r);
        const Row vertex = stored.vertices.empty() ? row : stored.vertices[r];
        if (vertex > row || graph.twins.size() != r ||
            (vertex < row && (!graph.twins.is_vertex(vertex) ||
                              !same(rows.format(), rows.row(vertex), rows.row(row))))) {
            refuse("vertices: that" + of_row(r) + " is no earlier row with the same elements");
        }
        graph.twins.append_as(rows, vertex);
        append_lift(graph, rows);
    }
    if (stored.coder) {
        const Coder& coder = *stored.coder;
        if (rows.format().dtype == Dtype::bits || coder.low.size() != rows.format().dim) {
            refuse("low: expected one for each element, and none for bits");
        }
        if (coder.lift_places > kMaxLiftPlaces ||
            (coder.lift_places > 0) != (rows.format().metric == Metric::ip)) {
            refuse("settings: lift_places must be in 1 ..= 4096 for ip, and 0 for another metric");
        }
        if (!std::isfinite(coder.step) || coder.step <= 0) {
            refuse("settings: step must be positive and finite");
        }
        for (const float low : coder.low) {
            if (!std::isfinite(low)) refuse("low: one is not finite");
        }
        graph.codes.emplace(coder, std::move(stored.codes), n);
    }
    if (n == 0) {
        if (stored.start != -1) refuse("settings: start must be -1 for an index without rows");
        return graph;
    }
    if (stored.start < 0 || stored.start >= static_cast<std::int64_t>(n) ||
        !graph.twins.is_vertex(static_cast<Row>(stored.start))) {
        refuse("settings: start must be the number of a row that repeats no earlier one");
    }
    graph.start = static_cast<Row>(stored.start);
    graph.edges = Edges(max_degree, std::move(stored.edges), n);
    for (std::size_t r = 0; r < n; ++r) graph.linked += graph.twins.is_vertex(static_cast<Row>(r));
    if (verify) check_graph(graph, rows);
    return graph;
}

}  // namespace bitgrove::graph
