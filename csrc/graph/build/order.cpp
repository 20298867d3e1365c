#include "order.hpp"

#include <algorithm>
#include <utility>

#include "insert.hpp"

namespace bitgrove::graph {

void trim(Graph& graph, const Rows& rows, std::uint32_t max_degree, const BuildOptions& options) {
    Edges trimmed(max_degree);
    trimmed.resize(rows.size());
    const Measure measure = graph.measure(rows);
    parallel_blocks(rows.size(), 256, options.threads, "trim", nullptr,
                    [&](std::size_t begin, std::size_t end, std::size_t) {
                        std::vector<Ranked> list, kept;
                        for (std::size_t r = begin; r < end; ++r) {
                            const Row row = static_cast<Row>(r);
                            list.clear();
                            for (const Row other : graph.edges.of(row)) {
                                list.push_back(ranked(measure(row, other), other));
                            }
                            std::sort(list.begin(), list.end());
                            if (list.size() > kept_degree(max_degree)) {
                                prune_relaxed(list, kept_degree(max_degree), options.relax, measure,
                                              kept);
                                trimmed.assign(row, kept);
                            } else {
                                trimmed.assign(row, list);
                            }
                        }
                    });
    graph.edges = std::move(trimmed);
}

std::vector<Row> cache_order(const Graph& graph) {
    std::vector<Row> order;
    order.reserve(graph.twins.size());
    std::vector<bool> placed(graph.twins.size());
    const auto place = [&](Row row) {
        if (!placed[row]) order.push_back(row);
        placed[row] = true;
    };
    place(graph.start);
    std::size_t next_row = 0;
    for (std::size_t i = 0; order.size() < placed.size(); ++i) {
        if (i == order.size()) {  // what no edge leads to
            while (placed[next_row]) ++next_row;
            place(static_cast<Row>(next_row));
        }
        for (const Row end : graph.edges.of(order[i])) place(end);
        for (const Row twin : graph.twins.of(order[i])) place(twin);
    }
    return order;
}

}  // namespace bitgrove::graph
