#include <cmath>
#include <stdexcept>
#include <string>

#include "../graph.hpp"

namespace bitgrove::graph {
namespace {

[[noreturn]] void refuse(const std::string& what) {
    throw std::invalid_argument(what);
}

std::string at(std::size_t row) {
    return " of row " + std::to_string(row);
}

}  // namespace

Graph restore_graph(const Rows& rows, std::uint32_t max_degree, const std::uint32_t* degrees,
                    const Row* ends, std::size_t end_count, std::int64_t start,
                    double squared_bound, std::size_t checked) {
    const std::size_t n = rows.size();
    Graph graph(max_degree);
    if (!std::isfinite(squared_bound) || squared_bound < 0) {
        refuse("settings: squared_bound must be finite and not negative");
    }
    if (checked > n) refuse("settings: checked must be at most the number of rows");
    graph.squared_bound = squared_bound;
    graph.checked = checked;
    std::size_t total = 0;
    for (std::size_t row = 0; row < n; ++row) {
        if (degrees[row] > max_degree) {
            refuse("degrees: that" + at(row) + " is " + std::to_string(degrees[row]) +
                   ", above max_degree");
        }
        total += degrees[row];
        graph.twins.append(rows);
        append_lift(graph, rows);
    }
    if (total != end_count) {
        refuse("neighbours: degrees ask for " + std::to_string(total) + " edges, there are " +
               std::to_string(end_count));
    }
    if (n == 0) {
        if (start != -1) refuse("settings: start must be -1 for an index without rows");
        graph.edges.count_arrivals();
        return graph;
    }
    if (start < 0 || start >= static_cast<std::int64_t>(n) ||
        !graph.twins.is_vertex(static_cast<Row>(start))) {
        refuse("settings: start must be the number of a row that repeats no earlier one");
    }
    graph.start = static_cast<Row>(start);
    graph.edges.resize(n);
    const Pairs key = graph.pairs(rows);
    std::vector<Row> list;
    for (std::size_t row = 0; row < n; ++row) {
        if (degrees[row] && !graph.twins.is_vertex(static_cast<Row>(row))) {
            refuse("degrees: row " + std::to_string(row) + " repeats an earlier one and has edges");
        }
        list.assign(ends, ends + degrees[row]);
        ends += degrees[row];
        Ranked last = 0;
        for (std::size_t i = 0; i < list.size(); ++i) {
            if (list[i] >= n || list[i] == row || !graph.twins.is_vertex(list[i])) {
                refuse("neighbours: one" + at(row) + " is not another row's number");
            }
            const Ranked edge = ranked(key(static_cast<Row>(row), list[i]), list[i]);
            if (i > 0 && edge <= last)
                refuse("neighbours: those" + at(row) + " are not in order of distance");
            last = edge;
        }
        graph.edges.assign(static_cast<Row>(row), list);
    }
    graph.edges.count_arrivals();
    const std::vector<bool> reached = reachable(graph);
    for (std::size_t row = 0; row < n; ++row) {
        if (!reached[row] && graph.twins.is_vertex(static_cast<Row>(row))) {
            refuse("neighbours: row " + std::to_string(row) + " cannot be reached from the start");
        }
    }
    return graph;
}

}  // namespace bitgrove::graph
