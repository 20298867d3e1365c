// JSON as files hold it: RFC 8259 without leniency, and with limits that hold before memory is
// taken.
#pragma once
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace bitgrove::json {

// The text is no JSON, or past a limit; the message says where.
struct Error : std::runtime_error {
    using std::runtime_error::runtime_error;
};

class Value;
using Array = std::vector<Value>;
using Member = std::pair<std::string, Value>;
using Object = std::vector<Member>;  // sorted by name, every name once

// An integer past 64 bits, as the nearest double, or infinity past its range.
struct BigInteger {
    double nearest;
};

// Strings are UTF-8. A lone surrogate, which only an escape can spell, is kept as the three bytes
// that UTF-8 would give it.
class Value {
  public:
    using Content = std::variant<std::nullptr_t, bool, std::int64_t, BigInteger, double,
                                 std::string, Array, Object>;

    Value() = default;
    explicit Value(Content content) : content_(std::move(content)) {}

    bool is_null() const { return std::holds_alternative<std::nullptr_t>(content_); }

    // The content if it is of this type, else null. Integers are no doubles and booleans no
    // integers.
    template <typename T>
    const T* as() const {
        return std::get_if<T>(&content_);
    }

    // The member of this name; null if there is none, or if this is no object.
    const Value* find(std::string_view name) const;

    // The value of an integer or a double of any size.
    bool is_number(double& number) const;

  private:
    Content content_;
};

struct Limits {
    std::size_t depth = 64;                     // arrays and objects inside each other
    std::size_t values = std::size_t{1} << 22;  // numbers, strings, arrays, …, together
    std::size_t digits = 4300;                  // of one number
    bool lone_surrogates = true;                // whether escapes may spell them
};

// Refuses everything that is not one JSON value of UTF-8: NaN and infinities, comments, numbers
// past the range of double, control characters in strings, members of the same name, and what is
// past `limits`.
Value parse(std::string_view text, const Limits& limits = {});

// Appends a string as Python's json.dumps writes it: quoted, in ASCII, other characters as \uXXXX.
void append_quoted(std::string& out, std::string_view text);

}  // namespace bitgrove::json
