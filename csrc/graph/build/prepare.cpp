#include "prepare.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace bitgrove::graph {
namespace {

double squared_length(const Rows& rows, std::size_t row, std::vector<double>& x) {
    decode(rows.format(), rows.row(row), x.data());
    double sum = 0;
    for (const double v : x) sum += v * v;
    return sum;
}

}  // namespace

Graph prepare(const Rows& rows, std::uint32_t max_degree) {
    Graph graph(max_degree);
    if (rows.format().metric == Metric::ip) {
        std::vector<double> x(rows.format().dim);
        for (std::size_t row = 0; row < rows.size(); ++row) {
            graph.squared_bound = std::max(graph.squared_bound, squared_length(rows, row, x));
        }
    }
    for (std::size_t row = 0; row < rows.size(); ++row) {
        graph.twins.append(rows);
        append_lift(graph, rows);
    }
    graph.edges.resize(rows.size());
    return graph;
}

void append_lift(Graph& graph, const Rows& rows) {
    if (rows.format().metric != Metric::ip) return;
    std::vector<double> x(rows.format().dim);
    const double squared = squared_length(rows, graph.lift.size(), x);
    graph.lift.push_back(
        static_cast<float>(std::sqrt(std::max(0.0, graph.squared_bound - squared))));
}

std::vector<Row> vertices_of(const Graph& graph) {
    std::vector<Row> vertices;
    for (std::size_t row = 0; row < graph.twins.size(); ++row) {
        if (graph.twins.is_vertex(static_cast<Row>(row))) {
            vertices.push_back(static_cast<Row>(row));
        }
    }
    return vertices;
}

Row central_vertex(const Graph& graph, const Rows& rows, const std::vector<Row>& vertices) {
    const Format& format = rows.format();
    std::vector<double> centre(format.dim + 1, 0.0), x(format.dim + 1, 0.0);
    const auto load = [&](std::size_t row) {
        decode(format, rows.row(row), x.data());
        if (!graph.lift.empty()) x.back() = graph.lift[row];
    };
    for (std::size_t row = 0; row < rows.size(); ++row) {
        load(row);
        for (std::size_t i = 0; i < x.size(); ++i) centre[i] += x[i];
    }
    for (double& c : centre) {
        c /= static_cast<double>(rows.size());
        if (format.dtype == Dtype::bits) c = c >= 0.5 ? 1.0 : 0.0;
    }
    if (format.dtype == Dtype::bits) centre.back() = 0;
    Row best = kNoRow;
    double nearest = 0;
    for (const Row row : vertices) {
        load(row);
        double distance = 0;
        for (std::size_t i = 0; i < x.size(); ++i) {
            distance += (x[i] - centre[i]) * (x[i] - centre[i]);
        }
        if (best == kNoRow || distance < nearest) {
            best = row;
            nearest = distance;
        }
    }
    return best;
}

}  // namespace bitgrove::graph
