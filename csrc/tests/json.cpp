#include "../files/json.hpp"

#include <span>

#include "check.hpp"

namespace {

using namespace bitgrove;

bool refused(std::string_view text, const json::Limits& limits = {}) {
    // A copy of exactly this size, so that the address sanitizer sees a byte read past its end.
    const std::vector<char> exact(text.begin(), text.end());
    try {
        json::parse({exact.data(), exact.size()}, limits);
    } catch (const json::Error&) {
        return true;
    }
    return false;
}

std::string quoted(std::string_view text) {
    std::string out;
    json::append_quoted(out, text);
    return out;
}

void values_are_read() {
    const json::Value value = json::parse(
        " {\"b\" : [1, -2, 0.5, 1E2, true, false, null, -0, \"\"],\n\t\"a\": {}, \"\": []}\r\n");
    const auto& items = *value.find("b")->as<json::Array>();
    CHECK(items.size() == 9);
    CHECK(*items[0].as<std::int64_t>() == 1 && *items[1].as<std::int64_t>() == -2);
    CHECK(*items[2].as<double>() == 0.5 && *items[3].as<double>() == 100);
    CHECK(*items[4].as<bool>() && !*items[5].as<bool>() && items[6].is_null());
    CHECK(!items[4].as<std::int64_t>());  // a boolean is no number
    CHECK(!items[7].as<std::int64_t>() && *items[7].as<double>() == 0);
    CHECK(items[8].as<std::string>()->empty());
    CHECK(value.find("a")->as<json::Object>()->empty() && value.find("")->as<json::Array>());
    CHECK(!value.find("c") && !items[0].find("a"));
}

void integers_keep_64_bits_and_larger_ones_become_the_nearest_double() {
    CHECK(*json::parse("9223372036854775807").as<std::int64_t>() == INT64_MAX);
    CHECK(*json::parse("-9223372036854775808").as<std::int64_t>() == INT64_MIN);
    const json::Value big = json::parse("9223372036854775808");
    double number = 0;
    CHECK(!big.as<std::int64_t>() && !big.as<double>() && big.is_number(number));
    CHECK(number == 0x1p63);
    CHECK(json::parse("-1" + std::string(400, '0')).is_number(number) && number < -1e308);
    CHECK(json::parse("0.1").is_number(number) && number == 0.1);
}

void strings_become_utf_8() {
    const auto text = [](std::string_view json) { return *json::parse(json).as<std::string>(); };
    CHECK(text(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
    CHECK(text(R"("\u00e9\u6728\ud83c\udf33")") == "\xc3\xa9\xe6\x9c\xa8\xf0\x9f\x8c\xb3");
    CHECK(text("\"\xc3\xa9\x7f\"") == "\xc3\xa9\x7f");
    CHECK(text(R"("a\u0000b")") == std::string("a\0b", 3));
    CHECK(text(R"("\udcff")") == "\xed\xb3\xbf");
    CHECK(text(R"("\ud83cx")") == "\xed\xa0\xbcx");
    CHECK(text(R"("\ud83c\ud83c\udf33")") == "\xed\xa0\xbc\xf0\x9f\x8c\xb3");
}

void what_is_no_json_is_refused() {
    for (const char* text : {"",
                             " ",
                             "{",
                             "}",
                             "[",
                             "[1",
                             "[1,",
                             "[1,]",
                             "[,1]",
                             "[1 2]",
                             "{\"a\"",
                             "{\"a\":",
                             "{\"a\":1",
                             "{\"a\":1,",
                             "{\"a\":1,}",
                             "{a:1}",
                             "{1:1}",
                             "1 2",
                             "tru",
                             "nul",
                             "True",
                             "NaN",
                             "Infinity",
                             "-Infinity",
                             "-",
                             "+1",
                             "01",
                             "-01",
                             "1.",
                             ".5",
                             "1e",
                             "1e+",
                             "0x1",
                             "1e999",
                             "-1e999",
                             "\"",
                             "\"\\",
                             "\"\\x\"",
                             "\"\\u12\"",
                             "\"\\u12g4\"",
                             "\"\\ud83c\\u\"",
                             "\"\t\"",
                             "\"\x01\"",
                             "'a'",
                             "//",
                             "[1]//",
                             "\xef\xbb\xbf[]"}) {
        CHECK(refused(text));
    }
    CHECK(refused(std::string_view("[]\0", 3)));
    CHECK(refused("{\"a\":1,\"b\":2,\"\\u0061\":3}"));  // a name twice
    for (const char* bytes :
         {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
          "\xf0\x80\x80\x80", "\xff", "\xe6\x9c", "\xc3("}) {
        CHECK(refused("\"" + std::string(bytes) + "\""));
        CHECK(refused("\"" + std::string(bytes)));
    }
}

void limits_hold() {
    const std::string open(64, '['), close(64, ']');
    CHECK(!refused(open + close) && refused("[" + open + close + "]"));
    CHECK(refused(std::string(1 << 20, '[')));
    std::string objects;
    for (int i = 0; i < 1 << 16; ++i) objects += "{\"a\":";
    CHECK(refused(objects));
    CHECK(!refused("[1,2,3]", {.values = 4}) && refused("[1,2,3]", {.values = 3}));
    CHECK(refused(std::string(4301, '1')) && !refused("0." + std::string(4298, '1')));
    CHECK(refused(R"("\ud800")", {.lone_surrogates = false}));
    CHECK(refused(R"("\udc00")", {.lone_surrogates = false}));
    CHECK(!refused(R"("\ud83c\udf33")", {.lone_surrogates = false}));
}

void text_is_quoted_as_python_does() {
    CHECK(quoted("a/b \x7e\x7f") == R"("a/b ~\u007f")");
    CHECK(quoted("\"\\\b\f\n\r\t\x01\x1f") == R"("\"\\\b\f\n\r\t\u0001\u001f")");
    CHECK(quoted("\xc3\xa9\xe6\x9c\xa8\xf0\x9f\x8c\xb3") == R"("\u00e9\u6728\ud83c\udf33")");
    CHECK(quoted("\xed\xb3\xbf") == R"("\udcff")");
    CHECK(quoted(std::string_view("\0", 1)) == R"("\u0000")");
}

constexpr Test kTests[] = {
    {"json: values are read", values_are_read},
    {"json: integers keep 64 bits and larger ones become the nearest double",
     integers_keep_64_bits_and_larger_ones_become_the_nearest_double},
    {"json: strings become UTF-8", strings_become_utf_8},
    {"json: what is no JSON is refused", what_is_no_json_is_refused},
    {"json: limits hold", limits_hold},
    {"json: text is quoted as Python does", text_is_quoted_as_python_does},
};

}  // namespace

std::span<const Test> json_tests() {
    return kTests;
}
