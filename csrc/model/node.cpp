#include "node.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "bitgrove/half.hpp"
#include "values.hpp"

namespace bitgrove::model {
namespace {

constexpr std::size_t inputs_limit = 1024;
constexpr std::size_t byte_filter_limit = 1 << 16;

bool is_step(const json::Value& value) {
    double step;
    return is_number(value, step) && step >= 1e-6 && step <= 1 << 24;
}

template <typename Check>
bool is_list(const json::Value& value, std::size_t length, Check check) {
    const auto* items = value.as<json::Array>();
    return items && items->size() == length && std::all_of(items->begin(), items->end(), check);
}

bool is_valid(Attribute kind, const json::Value& value, std::size_t axes) {
    double number;
    switch (kind) {
        case Attribute::count:
            return is_count(value);
        case Attribute::counts:
            return is_list(value, axes, is_count);
        case Attribute::number:
            return is_number(value, number);
        case Attribute::step:
            return is_number(value, number) && number >= 1e-30;
        case Attribute::byte:
            return is_count(value) && *value.as<std::int64_t>() <= 255;
        case Attribute::steps:
            return is_list(value, axes, is_step);
        case Attribute::flag:
            return value.as<bool>();
        case Attribute::pad_value: {
            const auto* integer = value.as<std::int64_t>();
            return integer && *integer >= -1 && *integer <= 1;
        }
        case Attribute::upsampling: {
            const auto* text = value.as<std::string>();
            return text && (*text == "nearest" || *text == "linear");
        }
    }
    return false;
}

bool is_dtype(Stored stored, std::string_view dtype) {
    switch (stored) {
        case Stored::real:
            return dtype == "F32" || dtype == "F16";
        case Stored::exact:
            return dtype == "F32";
        case Stored::bits:
            return dtype == "U8";
        case Stored::bytes:
            return dtype == "I8";
        case Stored::integers:
            return dtype == "I32";
    }
    return false;
}

template <typename T>
T item_at(const files::Tensor& tensor, std::size_t i) {
    T x;
    std::memcpy(&x, tensor.bytes.data() + i * sizeof x, sizeof x);
    return x;
}

bool is_half(const files::Tensor& tensor) {
    return tensor.dtype == "F16";
}

std::size_t length(const files::Tensor& tensor) {
    return tensor.bytes.size() / (is_half(tensor) ? sizeof(std::uint16_t) : sizeof(float));
}

float float_at(const files::Tensor& tensor, std::size_t i) {
    return is_half(tensor) ? half_to_float(item_at<std::uint16_t>(tensor, i))
                           : item_at<float>(tensor, i);
}

bool is_finite(const files::Tensor& tensor) {
    for (std::size_t i = 0; i < length(tensor); ++i) {
        if (!std::isfinite(float_at(tensor, i))) return false;
    }
    return true;
}

}  // namespace

Node::Node(const json::Value& value, Sources& sources, std::size_t number, std::size_t axes)
    : name_(text_in(value, "name")), op_(text_in(value, "op")) {
    for (const Operator& row : operators()) {
        const std::string suffix = row.windowed ? std::to_string(axes) + "d" : "";
        if (op_ == std::string(row.name) + suffix) operator_ = &row;
    }
    if (!operator_) refuse("unknown operator");
    check_inputs(value, number);
    attributes_ = &member_of(value, "attributes");
    check_attributes(axes);
    find_tensors(value, sources);
    check_tensors(axes);
}

void Node::refuse(const std::string& reason) const {
    throw std::invalid_argument("node '" + name_ + "' (" + op_ + "): " + reason);
}

void Node::check_inputs(const json::Value& value, std::size_t number) {
    const auto* inputs = member_of(value, "inputs").as<json::Array>();
    const std::size_t count = inputs ? inputs->size() : 0;
    const std::size_t wanted = operator_->inputs;
    if (wanted ? count != wanted : count < 2 || count > inputs_limit) {
        refuse("needs " + (wanted ? std::to_string(wanted) : "2 to 1024") + " inputs, has " +
               std::to_string(count));
    }
    for (const json::Value& input : *inputs) {
        const auto* i = input.as<std::int64_t>();
        if (!i || *i < 0 || static_cast<std::size_t>(*i) > number) {
            refuse("inputs must be earlier values 0 to " + std::to_string(number));
        }
        inputs_.push_back(static_cast<std::size_t>(*i));
    }
}

void Node::check_attributes(std::size_t axes) const {
    const auto* all = attributes_->as<json::Object>();
    if (!all) refuse("attributes must be an object");
    for (const auto& [name, kind] : operator_->attributes) {
        const json::Value* value = attributes_->find(name);
        if (!value) refuse("lacks the attribute '" + std::string(name) + "'");
        if (!is_valid(kind, *value, axes)) {
            refuse("the value of the attribute '" + std::string(name) + "' cannot be");
        }
    }
    if (all->size() != operator_->attributes.size()) refuse("has an unknown attribute");
}

void Node::find_tensors(const json::Value& value, Sources& sources) {
    const auto* own = member_of(value, "tensors").as<json::Array>();
    if (!own) refuse("tensors must be a list of roles");
    for (const json::Value& item : *own) {
        const auto* role = item.as<std::string>();
        if (!role) refuse("tensors must be a list of roles");
        take_tensor(*role, name_ + "." + *role, sources);
    }
    const json::Value* shared = value.find("shared");
    if (!shared) return;
    const auto* members = shared->as<json::Object>();
    if (!members) refuse("shared must be an object");
    for (const auto& [role, item] : *members) {
        const auto* name = item.as<std::string>();
        if (!name || !sources.stored.contains(*name)) {
            refuse("shares as '" + role + "' what no node stores");
        }
        take_tensor(role, *name, sources);
        const std::size_t bytes = sources.tensors.find(*name)->second.bytes.size();
        if (bytes > sources.room) refuse("too many bytes of tensors are shared");
        sources.room -= bytes;
    }
}

void Node::take_tensor(std::string_view role, std::string_view name, const Sources& sources) {
    const auto row = std::find_if(operator_->tensors.begin(), operator_->tensors.end(),
                                  [&](const Role& r) { return r.name == role; });
    if (row == operator_->tensors.end()) refuse("unknown tensor '" + std::string(role) + "'");
    const auto found = sources.tensors.find(name);
    if (found == sources.tensors.end()) {
        refuse("the tensor '" + std::string(role) + "' is not in the file");
    }
    if (!tensors_.emplace(row->name, &found->second).second) {
        refuse("has the tensor '" + std::string(role) + "' twice");
    }
}

void Node::check_tensors(std::size_t axes) const {
    for (const Role& role : operator_->tensors) {
        const std::string named = "tensor '" + std::string(role.name) + "'";
        const files::Tensor* found = tensor(role.name);
        if (!found) {
            if (!role.optional) refuse("lacks the " + named);
            continue;
        }
        const std::size_t dimensions = role.dimensions + (role.sides ? axes : 0);
        if (!is_dtype(role.stored, found->dtype)) {
            refuse(named + " cannot be of " + found->dtype);
        }
        if (found->shape.size() != dimensions || found->bytes.empty()) {
            refuse(named + " must have " + std::to_string(dimensions) +
                   " dimensions, none of them 0");
        }
        const bool real = role.stored == Stored::real || role.stored == Stored::exact;
        if (real && !is_finite(*found)) refuse(named + " holds NaN or infinite numbers");
        if (role.stored == Stored::bytes) {
            if (role.sides && found->bytes.size() / found->shape[0] > byte_filter_limit) {
                refuse(named + " may have at most 65536 weights to a filter");
            }
            if (std::ranges::count(found->bytes, std::byte{0x80})) refuse(named + " holds -128");
        }
    }
}

const files::Tensor* Node::tensor(std::string_view role) const {
    const auto found = tensors_.find(role);
    return found == tensors_.end() ? nullptr : found->second;
}

std::size_t Node::count(std::string_view name) const {
    return static_cast<std::size_t>(*attributes_->find(name)->as<std::int64_t>());
}

Sides Node::counts(std::string_view name) const {
    Sides all;
    for (const json::Value& item : *attributes_->find(name)->as<json::Array>()) {
        all.push_back(static_cast<std::size_t>(*item.as<std::int64_t>()));
    }
    return all;
}

float Node::number(std::string_view name) const {
    double number = 0;
    attributes_->find(name)->is_number(number);
    return static_cast<float>(number);
}

std::vector<float> Node::steps(std::string_view name) const {
    std::vector<float> all;
    for (const json::Value& item : *attributes_->find(name)->as<json::Array>()) {
        double step = 0;
        item.is_number(step);
        all.push_back(static_cast<float>(step));
    }
    return all;
}

bool Node::flag(std::string_view name) const {
    return *attributes_->find(name)->as<bool>();
}

int Node::pad_value() const {
    return static_cast<int>(*attributes_->find("pad_value")->as<std::int64_t>());
}

const std::string& Node::text(std::string_view name) const {
    return *attributes_->find(name)->as<std::string>();
}

std::vector<float> Node::floats(std::string_view role) const {
    const files::Tensor* from = tensor(role);
    std::vector<float> all(from ? length(*from) : 0);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = float_at(*from, i);
    return all;
}

Bytes Node::bytes(std::string_view role) const {
    const files::Tensor* from = tensor(role);
    if (!from) return {};
    return {reinterpret_cast<const std::uint8_t*>(from->bytes.data()), from->bytes.size()};
}

std::span<const std::int8_t> Node::signed_bytes(std::string_view role) const {
    const Bytes from = bytes(role);
    return {reinterpret_cast<const std::int8_t*>(from.data()), from.size()};
}

std::vector<std::int32_t> Node::integers(std::string_view role) const {
    const files::Tensor* from = tensor(role);
    std::vector<std::int32_t> all(from ? from->bytes.size() / sizeof(std::int32_t) : 0);
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = item_at<std::int32_t>(*from, i);
    return all;
}

Sides Node::shape(std::string_view role) const {
    return tensor(role)->shape;
}

}  // namespace bitgrove::model
