// Checks of values that come from a file; those that throw name the member.
#pragma once
#include <stdexcept>
#include <string>

#include "../files/json.hpp"

namespace bitgrove::model {

// A finite number that float32 can work with.
inline bool is_number(const json::Value& value, double& number) {
    return value.is_number(number) && number >= -1e30 && number <= 1e30;
}

// A number of pixels, channels or the like.
inline bool is_count(const json::Value& value) {
    const auto* integer = value.as<std::int64_t>();
    return integer && *integer >= 0 && *integer <= 1 << 24;
}

inline const json::Value& member_of(const json::Value& object, std::string_view name) {
    const json::Value* value = object.find(name);
    if (!value) throw std::invalid_argument("'" + std::string(name) + "' is missing");
    return *value;
}

inline const std::string& text_in(const json::Value& object, std::string_view name) {
    const auto* text = member_of(object, name).as<std::string>();
    if (!text) throw std::invalid_argument("'" + std::string(name) + "' must be text");
    return *text;
}

inline std::int64_t integer_in(const json::Value& object, std::string_view name, std::int64_t least,
                               std::int64_t most) {
    const auto* integer = member_of(object, name).as<std::int64_t>();
    if (!integer || *integer < least || *integer > most) {
        throw std::invalid_argument("'" + std::string(name) + "' must be an integer in " +
                                    std::to_string(least) + " to " + std::to_string(most));
    }
    return *integer;
}

}  // namespace bitgrove::model
