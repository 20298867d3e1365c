// One node of the graph in a file: what it must hold, and what it holds once that was checked.
#pragma once
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "../files/container.hpp"
#include "../runtime/sides.hpp"

namespace bitgrove::model {

using runtime::Bytes;
using runtime::Floats;
using runtime::Network;
using runtime::SidedNetwork;
using runtime::Sides;

// Where the nodes of a file find their tensors.
struct Sources {
    const std::map<std::string, files::Tensor, std::less<>>& tensors;
    std::set<std::string, std::less<>> stored;  // names of those that nodes store, not share
    // Bytes that may still be shared, each tensor counted as often as it is named: a small file may
    // not become a large network by naming one tensor ten thousand times.
    std::size_t room = std::size_t{64} << 20;
};

enum class Attribute { count, counts, number, step, steps, byte, flag, pad_value, upsampling };

enum class Stored {
    real,      // F32, or F16, which is widened
    exact,     // F32: thresholds, which compare with exact integers
    bits,      // U8, np.packbits order
    bytes,     // I8, never -128, at most 2^16 to a filter
    integers,  // I32: numbers of channels or nodes, which the operator checks
};

struct Role {
    std::string_view name;
    Stored stored = Stored::real;
    std::size_t dimensions = 1;
    bool sides = false;  // and one more dimension for each axis
    bool optional = false;
};

class Node;

// What nodes of one kind hold; src/bitgrove/runtime/FORMAT.md says what they compute.
struct Operator {
    std::string_view name;
    // Hands a checked node to the executor; throws std::invalid_argument if shapes do not fit.
    std::size_t (*append)(SidedNetwork&, const Node&);
    std::size_t inputs = 1;  // 0 for two or more
    std::vector<Role> tensors{};
    std::vector<std::pair<std::string_view, Attribute>> attributes{};
    bool windowed = false;  // the name in the file ends with the number of axes, as in conv2d
};

const std::vector<Operator>& operators();

class Node {
  public:
    // Throws std::invalid_argument unless this is a well-formed node, the `number`-th of a network
    // of `axes` sides. `value` and the tensors must outlive the node.
    Node(const json::Value& value, Sources& sources, std::size_t number, std::size_t axes);

    const std::string& name() const { return name_; }
    const std::string& op() const { return op_; }
    const Sides& inputs() const { return inputs_; }
    std::size_t input() const { return inputs_.front(); }

    void append_to(SidedNetwork& network) const { operator_->append(network, *this); }

    // Attributes by name, each of the kind that the operator's row says.
    std::size_t count(std::string_view name) const;
    Sides counts(std::string_view name) const;
    float number(std::string_view name) const;
    std::vector<float> steps(std::string_view name) const;
    bool flag(std::string_view name) const;
    int pad_value() const;
    const std::string& text(std::string_view name) const;

    // Tensors by role; empty where an optional one is absent. Real ones in any dtype come as float.
    std::vector<float> floats(std::string_view role) const;
    Bytes bytes(std::string_view role) const;
    std::span<const std::int8_t> signed_bytes(std::string_view role) const;
    std::vector<std::int32_t> integers(std::string_view role) const;
    bool has(std::string_view role) const { return tensor(role) != nullptr; }
    Sides shape(std::string_view role) const;

  private:
    [[noreturn]] void refuse(const std::string& reason) const;
    void check_inputs(const json::Value& value, std::size_t number);
    void check_attributes(std::size_t axes) const;
    void find_tensors(const json::Value& value, Sources& sources);
    void take_tensor(std::string_view role, std::string_view name, const Sources& sources);
    void check_tensors(std::size_t axes) const;
    const files::Tensor* tensor(std::string_view role) const;

    std::string name_, op_;
    const Operator* operator_ = nullptr;
    Sides inputs_;
    const json::Value* attributes_ = nullptr;
    std::map<std::string_view, const files::Tensor*> tensors_;  // by the name of its Role
};

}  // namespace bitgrove::model
