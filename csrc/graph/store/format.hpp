// What a row is: its metric, the type and number of its elements; which rows may be held.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove::graph {

enum class Metric : std::uint8_t { l2, ip, cosine, hamming };
enum class Dtype : std::uint8_t { f32, f16, u8, bits };

// Rows of the metric cosine are held as f32 of unit length, whatever they came as.
struct Format {
    Metric metric;
    Dtype dtype;
    std::size_t dim;  // elements of a row; bits for Dtype::bits
    std::size_t row_bytes;

    // Throws std::invalid_argument for dim = 0 and for one past the kernels' limits.
    static Format of(Metric metric, Dtype dtype, std::size_t dim);
};

// What is wrong with a row, or null: NaN and infinity, a squared length past the range of float32,
// a set padding bit, and for cosine a length other than one.
const char* fault(const Format& format, const std::uint8_t* row);

// Throws std::invalid_argument naming the first faulty row of `count`, as "<what> row 3 ...".
void check_rows(const Format& format, const std::uint8_t* rows, std::size_t count,
                const char* what);

// Whether all elements are equal; -0 equals +0.
bool same(const Format& format, const std::uint8_t* a, const std::uint8_t* b);

// Equal rows have equal hashes.
std::uint64_t hash(const Format& format, const std::uint8_t* row);

// The elements as numbers, bits as 0 and 1; `out` has dim places.
void decode(const Format& format, const std::uint8_t* row, double* out);

// Scales each row to length one. Returns the first row of no length, or `count`; it is written as
// zeros. The same bits on every CPU: sums run in order, in double.
std::size_t unit_rows(const float* rows, std::size_t count, std::size_t dim, float* out);

}  // namespace bitgrove::graph
