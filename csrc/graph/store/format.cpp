#include "format.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <stdexcept>
#include <string>

#include "bitgrove/distance.hpp"
#include "bitgrove/half.hpp"

namespace bitgrove::graph {
namespace {

constexpr std::size_t kMaxDim = std::size_t{1} << 24;  // a Hamming distance stays exact in float32

// |a - b|^2 <= 4 max(|a|^2, |b|^2), so below this no distance overflows.
constexpr double kMaxSquaredLength = std::numeric_limits<float>::max() / 4.0;

float float_at(const std::uint8_t* row, std::size_t i) {
    float x;
    std::memcpy(&x, row + 4 * i, 4);
    return x;
}

std::uint16_t half_at(const std::uint8_t* row, std::size_t i) {
    std::uint16_t x;
    std::memcpy(&x, row + 2 * i, 2);
    return x;
}

double element(const Format& format, const std::uint8_t* row, std::size_t i) {
    switch (format.dtype) {
        case Dtype::f32:
            return float_at(row, i);
        case Dtype::f16:
            return half_to_float(half_at(row, i));
        case Dtype::u8:
            return row[i];
        case Dtype::bits:
            break;
    }
    return row[i / 8] >> (7 - i % 8) & 1;
}

}  // namespace

Format Format::of(Metric metric, Dtype dtype, std::size_t dim) {
    const std::size_t most = dtype == Dtype::u8 ? kMaxBytesDim : kMaxDim;
    if (dim < 1 || dim > most) {
        throw std::invalid_argument("dim must be in 1 ..= " + std::to_string(most) + ", got " +
                                    std::to_string(dim));
    }
    constexpr std::size_t kBytes[] = {4, 2, 1};
    const std::size_t row_bytes =
        dtype == Dtype::bits ? (dim + 7) / 8 : dim * kBytes[static_cast<std::size_t>(dtype)];
    return {metric, dtype, dim, row_bytes};
}

const char* fault(const Format& format, const std::uint8_t* row) {
    if (format.dtype == Dtype::u8) return nullptr;
    if (format.dtype == Dtype::bits) {
        const bool padded = format.dim % 8 && row[format.row_bytes - 1] & 0xff >> format.dim % 8;
        return padded ? "has a padding bit set" : nullptr;
    }
    double squared = 0;
    for (std::size_t i = 0; i < format.dim; ++i) {
        const double x = element(format, row, i);
        squared += x * x;
    }
    if (!std::isfinite(squared)) return "holds NaN or infinity";
    if (squared > kMaxSquaredLength)
        return "is so long that float32 distances overflow; scale it down";
    if (format.metric == Metric::cosine && std::abs(squared - 1) > 1e-4) {
        return "is not of length one";
    }
    return nullptr;
}

void check_rows(const Format& format, const std::uint8_t* rows, std::size_t count,
                const char* what) {
    for (std::size_t r = 0; r < count; ++r) {
        if (const char* why = fault(format, rows + r * format.row_bytes)) {
            throw std::invalid_argument(std::string(what) + " row " + std::to_string(r) + " " +
                                        why);
        }
    }
}

bool same(const Format& format, const std::uint8_t* a, const std::uint8_t* b) {
    if (std::memcmp(a, b, format.row_bytes) == 0) return true;
    if (format.dtype == Dtype::u8 || format.dtype == Dtype::bits) return false;
    for (std::size_t i = 0; i < format.dim; ++i) {
        if (element(format, a, i) != element(format, b, i)) return false;
    }
    return true;
}

std::uint64_t hash(const Format& format, const std::uint8_t* row) {
    std::uint64_t h = 0x9e3779b97f4a7c15u;
    const auto mix = [&h](std::uint64_t x) {
        h = (h ^ x) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    };
    switch (format.dtype) {
        case Dtype::f32:
            for (std::size_t i = 0; i < format.dim; ++i) {
                mix(std::bit_cast<std::uint32_t>(float_at(row, i) + 0.0f));  // -0 becomes +0
            }
            break;
        case Dtype::f16:
            for (std::size_t i = 0; i < format.dim; ++i) {
                const std::uint16_t x = half_at(row, i);
                mix(x == 0x8000u ? 0 : x);
            }
            break;
        case Dtype::u8:
        case Dtype::bits:
            for (std::size_t i = 0; i < format.row_bytes; i += 8) {
                std::uint64_t word = 0;
                std::memcpy(&word, row + i, std::min<std::size_t>(8, format.row_bytes - i));
                mix(word);
            }
    }
    return h;
}

void decode(const Format& format, const std::uint8_t* row, double* out) {
    for (std::size_t i = 0; i < format.dim; ++i) out[i] = element(format, row, i);
}

std::size_t unit_rows(const float* rows, std::size_t count, std::size_t dim, float* out) {
    std::size_t first_zero = count;
    for (std::size_t r = 0; r < count; ++r) {
        const float* row = rows + r * dim;
        double squared = 0;
        for (std::size_t i = 0; i < dim; ++i) squared += static_cast<double>(row[i]) * row[i];
        const double length = std::sqrt(squared);
        if (length == 0 && first_zero == count) first_zero = r;
        for (std::size_t i = 0; i < dim; ++i) {
            out[r * dim + i] = length == 0 ? 0.0f : static_cast<float>(row[i] / length);
        }
    }
    return first_zero;
}

}  // namespace bitgrove::graph
