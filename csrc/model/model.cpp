#include "model.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "node.hpp"
#include "values.hpp"

namespace bitgrove::model {
namespace {

constexpr std::size_t nodes_limit = 10'000;
constexpr std::size_t threads_limit = 1024;

using runtime::require;

std::unique_ptr<SidedNetwork> input_of(const json::Value& network) {
    const auto* input = member_of(network, "input").as<json::Array>();
    require(input && input->size() >= 2 && input->size() <= 4,
            "input must be channels and 1 to 3 sides");
    Sides numbers;
    for (const json::Value& value : *input) {
        const auto* number = value.as<std::int64_t>();
        require(number && *number >= 1, "input must be channels and sides of at least 1");
        numbers.push_back(static_cast<std::size_t>(*number));
    }
    return std::make_unique<SidedNetwork>(numbers[0], Sides(numbers.begin() + 1, numbers.end()));
}

const json::Array& values_of(const json::Value& network) {
    const auto* values = member_of(network, "nodes").as<json::Array>();
    require(values && !values->empty() && values->size() <= nodes_limit,
            "a network has a list of 1 to 10000 nodes");
    return *values;
}

// Names of the tensors that nodes list as their own; what is no name is refused by the node.
std::set<std::string, std::less<>> stored_by(const json::Array& nodes) {
    std::set<std::string, std::less<>> names;
    for (const json::Value& node : nodes) {
        const auto* roles = member_of(node, "tensors").as<json::Array>();
        for (const json::Value& item : roles ? *roles : json::Array()) {
            const auto* role = item.as<std::string>();
            if (role) names.insert(text_in(node, "name") + "." + *role);
        }
    }
    return names;
}

std::vector<Node> nodes_of(const json::Value& network, const files::Container& file,
                           std::size_t axes) {
    const json::Array& values = values_of(network);
    Sources sources{file.tensors, stored_by(values)};
    std::vector<Node> nodes;
    std::set<std::string_view> names;
    nodes.reserve(values.size());
    for (const json::Value& value : values) {
        nodes.emplace_back(value, sources, nodes.size(), axes);
        require(names.insert(nodes.back().name()).second, "node names must be unique");
    }
    return nodes;
}

void append(SidedNetwork& network, const Node& node) {
    try {
        node.append_to(network);
    } catch (const std::invalid_argument& error) {
        throw std::invalid_argument("node '" + node.name() + "' (" + node.op() +
                                    "): " + error.what());
    }
}

std::vector<std::string> labels_of(const json::Value& metadata, std::size_t logits) {
    const json::Value* labels = metadata.find("labels");
    if (!labels || labels->is_null()) return {};
    const auto* items = labels->as<json::Array>();
    require(items, "labels must be a list of names");
    std::vector<std::string> names;
    for (const json::Value& item : *items) {
        const auto* name = item.as<std::string>();
        require(name, "labels must be a list of names");
        require(name->find('\0') == name->npos, "a label must not hold NUL");
        names.push_back(*name);
    }
    require(names.size() == logits,
            std::to_string(names.size()) + " labels for " + std::to_string(logits) + " logits");
    return names;
}

}  // namespace

Model::Model(std::span<const std::byte> file) {
    const files::Container content = files::read(file, "grove", newest_version);
    require(content.version >= oldest_version,
            "written in version " + std::to_string(content.version) +
                " of the format, before its release: pack the model anew");
    const json::Value& network = member_of(content.metadata, "network");
    network_ = input_of(network);
    input_ = network_->outside(0);
    const std::vector<Node> nodes = nodes_of(network, content, network_->axes);
    const auto last = static_cast<std::int64_t>(nodes.size());
    logits_ = static_cast<std::size_t>(integer_in(network, "logits", 0, last));
    embedding_ = static_cast<std::size_t>(integer_in(network, "embedding", 0, last));
    for (const Node& node : nodes) append(*network_, node);
    // The same outputs as in Python, so that the executor makes the same plan.
    if (logits_ == embedding_) {
        network_->finish({logits_});
    } else {
        network_->finish({logits_, embedding_});
    }
    labels_ = labels_of(content.metadata, logits());
    const json::Value* prep = content.metadata.find("preprocessing");
    if (prep && !prep->is_null()) {
        preprocessing_.emplace(*prep);
        require(input() ==
                    Sides{preprocessing_->channels, preprocessing_->height, preprocessing_->width},
                "the preprocessing makes images of another size than the network takes");
    }
}

void Model::run(const float* x, std::size_t n, float* logits, float* embeddings,
                std::size_t threads) const {
    require(threads >= 1 && threads <= threads_limit,
            "threads must be 1 to 1024, got " + std::to_string(threads));
    if (n == 0) return;
    const std::span<const float> numbers(x, n * input_values());
    require(std::none_of(numbers.begin(), numbers.end(), [](float v) { return std::isnan(v); }),
            "x must not hold NaN: its sign is undefined");
    std::vector<float> unwanted;
    if (logits_ == embedding_) {
        float* const outs[] = {logits ? logits : embeddings};
        network_->run(x, n, outs, threads);
        if (logits && embeddings) std::copy_n(logits, n * this->logits(), embeddings);
        return;
    }
    if (!logits || !embeddings) unwanted.resize(n * (logits ? embedding() : this->logits()));
    float* const outs[] = {logits ? logits : unwanted.data(),
                           embeddings ? embeddings : unwanted.data()};
    network_->run(x, n, outs, threads);
}

}  // namespace bitgrove::model
