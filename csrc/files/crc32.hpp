// CRC-32 as zlib and PNG have it (polynomial 0xEDB88320, reflected, inverted at both ends).
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>

namespace bitgrove::files {

std::uint32_t crc32(std::span<const std::byte> bytes);

}  // namespace bitgrove::files
