#include <utility>

#include "../graph.hpp"

namespace bitgrove::graph {

void rearrange(Graph& graph, Rows& rows, const std::vector<Row>& kept, std::size_t threads) {
    rows.rearrange(kept);
    // The first row kept of each set of twins is their vertex.
    std::vector<Row> moved(graph.twins.size(), kNoRow);  // the new number of each old vertex
    Twins twins;
    for (std::size_t i = 0; i < kept.size(); ++i) {
        Row& vertex = moved[graph.twins.vertex_of(kept[i])];
        if (vertex == kNoRow) vertex = static_cast<Row>(i);
        twins.append_as(rows, vertex);
    }
    Edges edges(graph.edges.stride());
    edges.resize(kept.size());
    parallel_blocks(kept.size(), 1024, threads, "", nullptr,
                    [&](std::size_t begin, std::size_t end, std::size_t) {
                        std::vector<Row> ends;
                        for (std::size_t i = begin; i < end; ++i) {
                            const Row old = graph.twins.vertex_of(kept[i]);
                            if (moved[old] != i) continue;
                            ends.clear();
                            for (const Row end_of : graph.edges.of(old)) {
                                if (moved[end_of] != kNoRow) ends.push_back(moved[end_of]);
                            }
                            edges.assign(static_cast<Row>(i), ends);
                        }
                    });
    if (graph.codes) graph.codes = graph.codes->rearranged(kept);
    if (!graph.lift.empty()) {
        std::vector<float> lift(kept.size());
        for (std::size_t i = 0; i < kept.size(); ++i) lift[i] = graph.lift[kept[i]];
        graph.lift = std::move(lift);
    }
    // Where the start vanishes, a neighbour of it takes its place.
    if (graph.start != kNoRow) {
        Row start = moved[graph.start];
        for (const Row end : graph.edges.of(graph.start)) {
            if (start == kNoRow) start = moved[end];
        }
        graph.start = start != kNoRow || kept.empty() ? start : twins.vertex_of(0);
    }
    std::size_t vertices = 0;
    for (const Row vertex : moved) vertices += vertex != kNoRow;
    graph.linked = vertices;
    graph.edges = std::move(edges);
    graph.twins = std::move(twins);
}

}  // namespace bitgrove::graph
