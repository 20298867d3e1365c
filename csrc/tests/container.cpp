#include "../files/container.hpp"

#include <cstring>
#include <memory>
#include <span>

#include "../files/crc32.hpp"
#include "check.hpp"

namespace {

using namespace bitgrove;

// As bitgrove.files.write makes it of {"é.x": float32[[1, -2]], "b": uint8[7, 8, 9], "none":
// int64[0, 2]} and {"labels": ["木\"", null], "n": 1}, kind "grove", version 2.
const std::string header =
    R"({"__metadata__":{"bitgrove":"{\"crc32\":2246631969,\"kind\":\"grove\",\"metadata\":\)"
    R"("{\\\"labels\\\":[\\\"\\\\u6728\\\\\\\"\\\",null],\\\"n\\\":1}\",\"tensors_crc32\":)"
    R"({\"b\":1259076923,\"\\u00e9.x\":3280414294},\"version\":2}"},)"
    R"("none":{"dtype":"I64","shape":[0,2],"data_offsets":[0,0]},)"
    "\"\xc3\xa9.x\""
    R"(:{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
    R"("b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}   )";
const std::string data("\x00\x00\x80\x3f\x00\x00\x00\xc0\x07\x08\x09", 11);

std::string with_length(const std::string& text, const std::string& tensors) {
    std::string raw(8, '\0');
    for (int i = 0; i < 8; ++i) raw[i] = static_cast<char>(text.size() >> 8 * i & 0xff);
    return raw + text + tensors;
}

files::Container read(std::string_view raw, std::int64_t newest = 2) {
    return files::read(std::as_bytes(std::span(raw.data(), raw.size())), "grove", newest);
}

// Whether the file is refused; the reason in `why`.
bool refused(std::string_view raw, std::string_view why, std::int64_t newest = 2) {
    // A copy of exactly this size, so that the address sanitizer sees a byte read past its end.
    const auto exact = std::make_unique<char[]>(raw.size());
    std::copy(raw.begin(), raw.end(), exact.get());
    try {
        read({exact.get(), raw.size()}, newest);
    } catch (const files::FormatError& error) {
        if (std::strstr(error.what(), std::string(why).c_str())) return true;
        std::fprintf(stderr, "another reason: %s\n", error.what());
    }
    return false;
}

// The golden file with one part of its header replaced.
std::string replaced(const std::string& part, const std::string& by) {
    std::string text = header;
    const std::size_t at = text.find(part);
    CHECK(at != text.npos);
    return with_length(text.replace(at, part.size(), by), data);
}

void checksums_are_those_of_zlib() {
    const auto crc = [](std::string_view text) {
        return files::crc32(std::as_bytes(std::span(text.data(), text.size())));
    };
    CHECK(crc("") == 0);
    CHECK(crc("123456789") == 0xcbf43926u);
    CHECK(crc("The quick brown fox jumps over the lazy dog") == 0x414fa339u);
    CHECK(crc(std::string_view("\0\0\0\0", 4)) == 0x2144df1cu);
}

void what_python_wrote_is_read() {
    const std::string raw = with_length(header, data);
    const files::Container file = read(raw);
    CHECK(file.version == 2 && file.tensors.size() == 3);
    const files::Tensor& x = file.tensors.at("\xc3\xa9.x");
    float numbers[2];
    CHECK(x.dtype == "F32" && x.bytes.size() == sizeof numbers);
    CHECK((x.shape == std::vector<std::size_t>{1, 2}));
    std::memcpy(numbers, x.bytes.data(), sizeof numbers);
    CHECK(numbers[0] == 1 && numbers[1] == -2);
    CHECK(file.tensors.at("none").bytes.empty());
    const auto& labels = *file.metadata.find("labels")->as<json::Array>();
    CHECK(*labels[0].as<std::string>() == "\xe6\x9c\xa8\"" && labels[1].is_null());
}

void every_truncation_and_every_flipped_bit_is_refused() {
    const std::string raw = with_length(header, data);
    for (std::size_t length = 0; length < raw.size(); ++length) {
        CHECK(refused(raw.substr(0, length), "at byte"));
    }
    for (std::size_t bit = 0; bit < raw.size() * 8; ++bit) {
        std::string damaged = raw;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
        // Blanks that pad the header mean nothing, whichever they are.
        const bool blank = raw[bit / 8] == ' ' && std::strchr(" \t\n\r", damaged[bit / 8]);
        const bool same_digit = bit == (raw.find("u00e9") + 3) * 8 + 5;  // \u00E9 is \u00e9
        CHECK(blank || same_digit || refused(damaged, "at byte"));
    }
}

void a_header_that_disagrees_with_the_file_is_refused() {
    const std::string raw = with_length(header, data);
    CHECK(refused("", "truncated: 0 bytes"));
    CHECK(refused(std::string("\xff\xff\xff\xff\xff\xff\xff\xff", 8), "claims 184467440737095516"));
    CHECK(refused(with_length("[]", ""), "no JSON object"));
    CHECK(refused(with_length("{}", ""), "no file of bitgrove"));
    CHECK(refused(raw + "x", "belong to none"));
    CHECK(refused(raw, "reads versions 1 to 1", 1));
    CHECK(refused(replaced("\\\"grove", "\\\"index"), "kind 'index'"));
    CHECK(refused(replaced("[8,11]", "[7,10]"), "overlaps"));
    CHECK(refused(replaced("[8,11]", "[9,12]"), "hole"));
    CHECK(refused(replaced("[8,11]", "[11,8]"), "number of bytes"));
    CHECK(refused(replaced("[8,11]", "[8,11,11]"), "lacks"));
    CHECK(refused(replaced("[8,11]", "[8,1e1]"), "no size"));
    CHECK(refused(replaced("[8,11]", "[8,-11]"), "no size"));
    CHECK(refused(replaced("[3]", "[3,1]"), "does not match its checksum"));
    CHECK(refused(replaced("[3]", "[4611686018427387904,4]"), "too large"));
    CHECK(refused(replaced("[3]", "[9223372036854775807]"), "number of bytes"));
    CHECK(refused(replaced("[0,2]", "[0,3]"), "does not match its checksum"));
    CHECK(refused(replaced("U8", "I8"), "does not match its checksum"));
    CHECK(refused(replaced("U8", "X8"), "unknown dtype"));
    CHECK(refused(replaced("\"b\":{\"dtype\"", "\"b\":{\"dtypes\""), "lacks"));
    CHECK(refused(replaced("\"b\":{", "\"c\":{"), "does not match its checksum"));
    CHECK(refused(replaced("\\\"n\\\\\\\":1", "\\\"n\\\\\\\":2"), "does not match its checksum"));
    CHECK(refused(replaced("1259076923", "1259076924"), "tensor 'b' (bytes 416 to 419)"));
    CHECK(refused(replaced("\\\"version\\\":2", "\\\"version\\\":2.0"), "lacks 'version'"));
    CHECK(refused(replaced("\\\"version\\\":2", "\\\"version\\\":true"), "lacks 'version'"));
    CHECK(refused(replaced("{\"bitgrove\"", "{\"x\":1,\"bitgrove\""), "no text"));
}

constexpr Test kTests[] = {
    {"container: checksums are those of zlib", checksums_are_those_of_zlib},
    {"container: what Python wrote is read", what_python_wrote_is_read},
    {"container: every truncation and every flipped bit is refused",
     every_truncation_and_every_flipped_bit_is_refused},
    {"container: a header that disagrees with the file is refused",
     a_header_that_disagrees_with_the_file_is_refused},
};

}  // namespace

std::span<const Test> container_tests() {
    return kTests;
}
