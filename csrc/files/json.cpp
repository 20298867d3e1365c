#include "json.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include "utf8.hpp"

namespace bitgrove::json {
namespace {

class Parser {
  public:
    Parser(std::string_view text, const Limits& limits) : text_(text), limits_(limits) {}

    Value document() {
        Value value = next(0);
        if (peek() != end) refuse("something follows the value");
        return value;
    }

  private:
    static constexpr int end = -1;

    [[noreturn]] void refuse(const std::string& reason) const {
        throw Error(reason + ", at character " + std::to_string(at_));
    }

    int here() const { return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : end; }

    // The next character that is no blank.
    int peek() {
        while (here() == ' ' || here() == '\t' || here() == '\n' || here() == '\r') ++at_;
        return here();
    }

    bool accept(char c) {
        if (here() != static_cast<unsigned char>(c)) return false;
        ++at_;
        return true;
    }

    Value next(std::size_t depth) {
        if (++values_ > limits_.values) refuse("too many values");
        switch (peek()) {
            case '{':
            case '[':
                if (depth == limits_.depth) refuse("nested too deeply");
                return here() == '{' ? Value(object(depth)) : Value(array(depth));
            case '"':
                return Value(string());
            case 't':
                return word("true", true);
            case 'f':
                return word("false", false);
            case 'n':
                return word("null", nullptr);
            default:
                return number();
        }
    }

    Value word(std::string_view spelling, Value::Content content) {
        if (text_.substr(at_, spelling.size()) != spelling) refuse("no value");
        at_ += spelling.size();
        return Value(std::move(content));
    }

    bool digits() {
        const std::size_t first = at_;
        while (here() >= '0' && here() <= '9') ++at_;
        return at_ > first;
    }

    Value number() {
        const std::size_t start = at_;
        const bool negative = accept('-');
        if (!accept('0') && !digits()) refuse("no value");
        bool integer = true;
        if (accept('.')) {
            integer = false;
            if (!digits()) refuse("a number without digits after the point");
        }
        if (accept('e') || accept('E')) {
            integer = false;
            if (!accept('+')) accept('-');
            if (!digits()) refuse("a number without digits in its exponent");
        }
        const std::string_view spelt = text_.substr(start, at_ - start);
        if (spelt.size() > limits_.digits) refuse("a number of too many digits");
        // "-0" is kept as a double: an integer has no such value.
        if (integer && !(negative && spelt == "-0")) {
            std::int64_t exact;
            if (convert(spelt, exact)) return Value(exact);
        }
        double nearest;
        const bool fits = convert(spelt, nearest);
        if (integer && spelt != "-0") {
            constexpr double infinity = std::numeric_limits<double>::infinity();
            return Value(BigInteger{fits ? nearest : negative ? -infinity : infinity});
        }
        if (!fits) refuse("a number past the range of double");
        return Value(nearest);
    }

    template <typename T>
    static bool convert(std::string_view spelt, T& number) {
        return std::from_chars(spelt.data(), spelt.data() + spelt.size(), number).ec == std::errc();
    }

    Array array(std::size_t depth) {
        Array items;
        ++at_;
        if (peek() == ']') {
            ++at_;
            return items;
        }
        do {
            items.push_back(next(depth + 1));
            peek();
        } while (accept(','));
        if (!accept(']')) refuse("an array without its ']'");
        return items;
    }

    Object object(std::size_t depth) {
        Object members;
        ++at_;
        if (peek() == '}') {
            ++at_;
            return members;
        }
        do {
            if (peek() != '"') refuse("a member without a name");
            std::string name = string();
            peek();
            if (!accept(':')) refuse("a member without its ':'");
            Value value = next(depth + 1);
            members.emplace_back(std::move(name), std::move(value));
            peek();
        } while (accept(','));
        if (!accept('}')) refuse("an object without its '}'");
        std::sort(members.begin(), members.end(),
                  [](const Member& a, const Member& b) { return a.first < b.first; });
        const auto twin =
            std::adjacent_find(members.begin(), members.end(),
                               [](const Member& a, const Member& b) { return a.first == b.first; });
        if (twin != members.end()) refuse("two members of the name '" + twin->first + "'");
        return members;
    }

    std::string string() {
        std::string out;
        ++at_;
        while (!accept('"')) {
            if (here() == end) refuse("a string without its end");
            if (here() < 0x20) refuse("a control character in a string");
            if (accept('\\')) {
                escape(out);
                continue;
            }
            const std::size_t first = at_;
            if (utf8::decode(text_, at_) == utf8::no_character) refuse("no UTF-8");
            out.append(text_.substr(first, at_ - first));
        }
        return out;
    }

    void escape(std::string& out) {
        constexpr std::string_view names = "\"\\/bfnrt", meanings = "\"\\/\b\f\n\r\t";
        if (!accept('u')) {
            const int letter = here();
            const std::size_t i =
                letter == end ? names.npos : names.find(static_cast<char>(letter));
            if (i == names.npos) refuse("an unknown escape");
            ++at_;
            out += meanings[i];
            return;
        }
        std::uint32_t c = four_digits();
        if (c >= 0xd800 && c < 0xdc00 && text_.substr(at_, 2) == "\\u") {
            const std::size_t second = at_;
            at_ += 2;
            const std::uint32_t low = four_digits();
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            } else {
                at_ = second;  // a character of its own
            }
        }
        if (utf8::is_surrogate(c) && !limits_.lone_surrogates) refuse("a lone surrogate");
        utf8::append(out, c);
    }

    std::uint32_t four_digits() {
        std::uint32_t c = 0;
        for (int i = 0; i < 4; ++i, ++at_) {
            const int digit = here();
            if (digit >= '0' && digit <= '9') {
                c = c << 4 | static_cast<std::uint32_t>(digit - '0');
            } else if ((digit | 0x20) >= 'a' && (digit | 0x20) <= 'f') {
                c = c << 4 | static_cast<std::uint32_t>((digit | 0x20) - 'a' + 10);
            } else {
                refuse("an escape without its four digits");
            }
        }
        return c;
    }

    std::string_view text_;
    const Limits& limits_;
    std::size_t at_ = 0, values_ = 0;
};

void append_escape(std::string& out, std::uint32_t unit) {
    constexpr char hex[] = "0123456789abcdef";
    out += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4) out += hex[unit >> shift & 0xf];
}

}  // namespace

const Value* Value::find(std::string_view name) const {
    const auto* object = as<Object>();
    if (!object) return nullptr;
    const auto found =
        std::lower_bound(object->begin(), object->end(), name,
                         [](const Member& member, std::string_view n) { return member.first < n; });
    return found != object->end() && found->first == name ? &found->second : nullptr;
}

bool Value::is_number(double& number) const {
    if (const auto* integer = as<std::int64_t>()) {
        number = static_cast<double>(*integer);
    } else if (const auto* big = as<BigInteger>()) {
        number = big->nearest;
    } else if (const auto* real = as<double>()) {
        number = *real;
    } else {
        return false;
    }
    return true;
}

Value parse(std::string_view text, const Limits& limits) {
    return Parser(text, limits).document();
}

void append_quoted(std::string& out, std::string_view text) {
    constexpr std::string_view special = "\"\\\b\f\n\r\t", names = "\"\\bfnrt";
    out += '"';
    for (std::size_t at = 0; at < text.size();) {
        const std::uint32_t c = utf8::decode(text, at, true);
        if (c == utf8::no_character) throw Error("no UTF-8");
        const std::size_t i = c < 0x80 ? special.find(static_cast<char>(c)) : special.npos;
        if (i != special.npos) {
            out += '\\';
            out += names[i];
        } else if (c >= 0x20 && c < 0x7f) {
            out += static_cast<char>(c);
        } else if (c < 0x10000) {
            append_escape(out, c);
        } else {
            append_escape(out, 0xd800 + ((c - 0x10000) >> 10));
            append_escape(out, 0xdc00 + ((c - 0x10000) & 0x3ff));
        }
    }
    out += '"';
}

}  // namespace bitgrove::json
