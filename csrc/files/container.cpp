#include "container.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include "crc32.hpp"

namespace bitgrove::files {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are used as the file has them");

constexpr std::uint64_t header_limit = 64 << 20;
constexpr std::size_t dimensions_limit = 32;

[[noreturn]] void refuse(const std::string& reason, std::size_t at) {
    throw FormatError(reason + " (at byte " + std::to_string(at) + ")");
}

std::size_t item_bytes(std::string_view dtype) {
    constexpr struct {
        std::string_view name;
        std::size_t bytes;
    } known[] = {
        {"BOOL", 1}, {"U8", 1},  {"I8", 1},  {"U16", 2}, {"I16", 2}, {"F16", 2},
        {"U32", 4},  {"I32", 4}, {"F32", 4}, {"U64", 8}, {"I64", 8}, {"F64", 8},
    };
    for (const auto& row : known) {
        if (row.name == dtype) return row.bytes;
    }
    return 0;
}

json::Value object_in(std::string_view text, const char* what, bool lone_surrogates) {
    try {
        json::Limits limits;
        limits.lone_surrogates = lone_surrogates;
        json::Value value = json::parse(text, limits);
        if (!value.as<json::Object>()) refuse(std::string(what) + " is no JSON object", 8);
        return value;
    } catch (const json::Error& error) {
        refuse(std::string(what) + " is no JSON: " + error.what(), 8);
    }
}

std::string_view text_of(std::span<const std::byte> bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::span<const std::byte> bytes_of(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}

std::size_t header_length(std::span<const std::byte> raw) {
    if (raw.size() < 8) {
        refuse("truncated: " + std::to_string(raw.size()) +
                   " bytes, where the header's length alone needs 8",
               0);
    }
    std::uint64_t length = 0;
    for (int i = 7; i >= 0; --i) length = length << 8 | std::to_integer<std::uint64_t>(raw[i]);
    if (length > header_limit) {
        refuse("the header claims " + std::to_string(length) + " bytes, more than " +
                   std::to_string(header_limit),
               0);
    }
    if (length > raw.size() - 8) {
        refuse("truncated: the header claims " + std::to_string(length) + " bytes of " +
                   std::to_string(raw.size() - 8),
               8);
    }
    return static_cast<std::size_t>(length);
}

// The object in the one entry `bitgrove` of __metadata__, with its keys.
struct Head {
    explicit Head(const json::Value& header) {
        const json::Value* all = header.find("__metadata__");
        const json::Value* entry = all ? all->find("bitgrove") : nullptr;
        const auto* text = entry ? entry->as<std::string>() : nullptr;
        if (!text) refuse("this is no file of bitgrove: its header lacks the entry 'bitgrove'", 8);
        for (const auto& [name, value] : *all->as<json::Object>()) {
            if (!value.as<std::string>()) refuse("'" + name + "' of __metadata__ is no text", 8);
        }
        object = object_in(*text, "the entry 'bitgrove'", true);
        kind = member<std::string>("kind", "text");
        version = member<std::int64_t>("version", "an integer");
        metadata = member<std::string>("metadata", "text");
        crc32 = member<std::int64_t>("crc32", "an integer");
        tensors_crc32 = object.find("tensors_crc32");
        if (!tensors_crc32 || !tensors_crc32->as<json::Object>()) {
            refuse("the entry 'bitgrove' lacks 'tensors_crc32', an object", 8);
        }
    }

    template <typename T>
    T member(const char* name, const char* what) const {
        const json::Value* value = object.find(name);
        if (value && value->as<json::BigInteger>() && std::is_same_v<T, std::int64_t>) {
            refuse(std::string("'") + name + "' is past 64 bits: a newer version, or damaged", 8);
        }
        const T* content = value ? value->as<T>() : nullptr;
        if (!content) {
            refuse(std::string("the entry 'bitgrove' lacks '") + name + "', " + what, 8);
        }
        return *content;
    }

    json::Value object;
    std::string kind, metadata;
    std::int64_t version, crc32;
    const json::Value* tensors_crc32;
};

struct Place {
    std::size_t first, last;  // bytes after the header
    std::string_view name;
};

std::size_t size_in(const json::Value& value, const std::string& name) {
    const auto* number = value.as<std::int64_t>();
    if (!number || *number < 0) {
        refuse("the tensors cannot be read: '" + name + "' has a size that is no size", 8);
    }
    return static_cast<std::size_t>(*number);
}

// The entry of one tensor; its bytes are filled in when all places are known.
Tensor tensor_in(const std::string& name, const json::Value& entry, Place& place) {
    const auto fail = [&](const char* why) {
        refuse("the tensors cannot be read: '" + name + "' " + why, 8);
    };
    const json::Value *dtype = entry.find("dtype"), *shape = entry.find("shape"),
                      *offsets = entry.find("data_offsets");
    if (!dtype || !dtype->as<std::string>() || !shape || !shape->as<json::Array>() || !offsets ||
        !offsets->as<json::Array>() || offsets->as<json::Array>()->size() != 2) {
        fail("lacks dtype, shape or data_offsets");
    }
    Tensor tensor{*dtype->as<std::string>(), {}, {}};
    std::size_t bytes = item_bytes(tensor.dtype);
    if (bytes == 0) fail("is of an unknown dtype");
    const auto& sides = *shape->as<json::Array>();
    if (sides.size() > dimensions_limit) fail("has too many dimensions");
    bool empty = false;
    for (const json::Value& value : sides) {
        const std::size_t side = size_in(value, name);
        tensor.shape.push_back(side);
        empty |= side == 0;
        if (side > 1) {
            if (bytes > std::numeric_limits<std::int64_t>::max() / side) fail("is too large");
            bytes *= side;
        }
    }
    const auto& ends = *offsets->as<json::Array>();
    place = {size_in(ends[0], name), size_in(ends[1], name), name};
    if (place.last < place.first || place.last - place.first != (empty ? 0 : bytes)) {
        fail("has another number of bytes than its shape");
    }
    return tensor;
}

// The bytes of all tensors follow each other without holes, up to the end of the file.
void lay_out(std::vector<Place>& places, std::span<const std::byte> data,
             std::map<std::string, Tensor, std::less<>>& tensors) {
    std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
        return a.first != b.first ? a.first < b.first : a.last < b.last;
    });
    std::size_t end = 0;
    for (const Place& place : places) {
        const std::string name(place.name);
        if (place.first != end) {
            refuse("the tensors cannot be read: '" + name + "' overlaps another or leaves a hole",
                   8);
        }
        if (place.last > data.size()) {
            refuse("the tensors cannot be read: '" + name + "' ends past the end of the file", 8);
        }
        end = place.last;
        tensors.find(place.name)->second.bytes =
            data.subspan(place.first, place.last - place.first);
    }
    if (end != data.size()) refuse("the tensors cannot be read: bytes belong to none of them", 8);
}

// What the header's checksum covers, as Python's json.dumps writes it.
std::string described(const Head& head, const std::map<std::string, Tensor, std::less<>>& tensors) {
    std::string text = "[";
    json::append_quoted(text, head.kind);
    text += ", " + std::to_string(head.version) + ", ";
    json::append_quoted(text, head.metadata);
    text += ", [";
    const char* between = "";
    for (const auto& [name, tensor] : tensors) {
        text += between;
        text += "[";
        json::append_quoted(text, name);
        text += ", [";
        json::append_quoted(text, tensor.dtype);
        text += ", [";
        for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
            if (i) text += ", ";
            text += std::to_string(tensor.shape[i]);
        }
        text += "]]]";
        between = ", ";
    }
    return text + "]]";
}

}  // namespace

Container read(std::span<const std::byte> raw, std::string_view kind, std::int64_t newest) {
    const std::size_t length = header_length(raw);
    const json::Value header = object_in(text_of(raw.subspan(8, length)), "the header", false);
    const auto& entries = *header.as<json::Object>();
    for (const auto& [name, entry] : entries) {
        if (!entry.as<json::Object>()) refuse("the header is not a table of tensors", 8);
    }
    const Head head(header);
    if (head.kind != kind) {
        refuse("this is a file of kind '" + head.kind + "', not '" + std::string(kind) + "'", 8);
    }
    if (head.version < 1 || head.version > newest) {
        refuse("written in version " + std::to_string(head.version) +
                   " of the format; this program reads versions 1 to " + std::to_string(newest) +
                   ": update bitgrove",
               8);
    }
    Container container{head.version, {}, {}};
    std::vector<Place> places;
    for (const auto& [name, entry] : entries) {
        if (name == "__metadata__") continue;
        Place place;
        auto& stored = container.tensors[name];
        stored = tensor_in(name, entry, place);
        places.push_back(place);
    }
    lay_out(places, raw.subspan(8 + length), container.tensors);
    if (crc32(bytes_of(described(head, container.tensors))) != head.crc32) {
        refuse("the header does not match its checksum: the file is damaged", 8);
    }
    for (const auto& [name, tensor] : container.tensors) {
        if (tensor.bytes.empty()) continue;
        const json::Value* expected = head.tensors_crc32->find(name);
        const auto* number = expected ? expected->as<std::int64_t>() : nullptr;
        if (!number || *number != crc32(tensor.bytes)) {
            const auto first = static_cast<std::size_t>(tensor.bytes.data() - raw.data());
            refuse("tensor '" + name + "' (bytes " + std::to_string(first) + " to " +
                       std::to_string(first + tensor.bytes.size()) +
                       ") does not match its checksum: the file is damaged",
                   first);
        }
    }
    container.metadata = object_in(head.metadata, "the metadata", true);
    return container;
}

}  // namespace bitgrove::files
