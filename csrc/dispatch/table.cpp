#include "table.hpp"

#include <atomic>
#include <cstdlib>
#include <stdexcept>
#include <string>

#include "cpu.hpp"

namespace bitgrove {
namespace {

std::vector<Kernels> detect() {
    std::vector<Kernels> rows;
    rows.push_back({.name = "scalar",
                    .pack_signs = pack_signs::scalar,
                    .hamming = hamming::scalar,
                    .hamming_scan = hamming_scan::scalar,
                    .hamming_counts = hamming_counts::scalar,
                    .distance = distance::scalar,
                    .distance_rows = distance_rows::scalar,
                    .block_scan = block_scan::scalar,
                    .dot_scan = &dot_scan::scalar,
                    .sign = sign::scalar,
                    .binary_dots = &binary_dots::scalar,
                    .real_dots = &real_dots::scalar,
                    .byte_dots = &byte_dots::scalar,
                    .taps = &taps::scalar,
                    .fern_sums = &fern_sums::scalar,
                    .pointwise = &pointwise::scalar,
                    .ferns = &ferns::scalar,
                    .popcount_peak = popcount_peak::scalar,
                    .forest = &forest::scalar,
                    .sign_dots = nullptr,
                    .split_dots = nullptr});
#if defined(__aarch64__)
    rows.push_back({.name = "neon",
                    .pack_signs = pack_signs::scalar,
                    .hamming = hamming::scalar,
                    .hamming_scan = hamming_scan::neon,
                    .hamming_counts = hamming_counts::neon,
                    .distance = distance::scalar,
                    .distance_rows = distance_rows::scalar,
                    .block_scan = block_scan::neon,
                    .dot_scan = &dot_scan::scalar,
                    .sign = sign::scalar,
                    .binary_dots = &binary_dots::neon,
                    .real_dots = &real_dots::neon,
                    .byte_dots = &byte_dots::neon,
                    .taps = &taps::neon,
                    .fern_sums = &fern_sums::scalar,
                    .pointwise = &pointwise::neon,
                    .ferns = &ferns::scalar,
                    .popcount_peak = popcount_peak::neon,
                    .forest = &forest::scalar,
                    .sign_dots = nullptr,
                    .split_dots = nullptr});
#endif
#if defined(__x86_64__)
    if (cpu_has_avx2()) {
        rows.push_back({.name = "avx2",
                        .pack_signs = pack_signs::avx2,
                        .hamming = hamming::avx2,
                        .hamming_scan = hamming_scan::avx2,
                        .hamming_counts = hamming_counts::avx2,
                        .distance = distance::avx2,
                        .distance_rows = distance_rows::avx2,
                        .block_scan = block_scan::avx2,
                        .dot_scan = &dot_scan::avx2,
                        .sign = sign::avx2,
                        .binary_dots = &binary_dots::avx2,
                        .real_dots = &real_dots::avx2,
                        .byte_dots = &byte_dots::avx2,
                        .taps = &taps::avx2,
                        .fern_sums = &fern_sums::avx2,
                        .pointwise = &pointwise::avx2,
                        .ferns = &ferns::avx2,
                        .popcount_peak = popcount_peak::avx2,
                        .forest = &forest::avx2,
                        .sign_dots = nullptr,
                        .split_dots = nullptr});
    }
    if (cpu_has_avx512bw()) {
        rows.push_back({.name = "avx512bw",
                        .pack_signs = pack_signs::avx512,
                        .hamming = hamming::avx2,
                        .hamming_scan = hamming_scan::avx2,
                        .hamming_counts = hamming_counts::avx2,
                        .distance = distance::avx2,
                        .distance_rows = distance_rows::avx2,
                        .block_scan = block_scan::avx2,
                        .dot_scan = &dot_scan::avx512,
                        .sign = sign::avx512,
                        .binary_dots = &binary_dots::avx512bw,
                        .real_dots = &real_dots::avx512,
                        .byte_dots = &byte_dots::avx512bw,
                        .taps = &taps::avx512,
                        .fern_sums = &fern_sums::avx2,
                        .pointwise = &pointwise::avx512,
                        .ferns = &ferns::avx512,
                        .popcount_peak = popcount_peak::avx2,
                        .forest = &forest::avx512bw,
                        .sign_dots = nullptr,
                        .split_dots = nullptr});
    }
    if (cpu_has_avx512()) {
        rows.push_back({.name = "avx512",
                        .pack_signs = pack_signs::avx512,
                        .hamming = hamming::avx512,
                        .hamming_scan = hamming_scan::avx512,
                        .hamming_counts = hamming_counts::avx512,
                        .distance = distance::avx512,
                        .distance_rows = distance_rows::avx512,
                        .block_scan = block_scan::avx512,
                        .dot_scan = &dot_scan::avx512,
                        .sign = sign::avx512,
                        .binary_dots = &binary_dots::avx512,
                        .real_dots = &real_dots::avx512,
                        .byte_dots = &byte_dots::avx512,
                        .taps = &taps::avx512,
                        .fern_sums = &fern_sums::avx512,
                        .pointwise = &pointwise::avx512,
                        .ferns = &ferns::avx512,
                        .popcount_peak = popcount_peak::avx512,
                        .forest = &forest::avx512,
                        .sign_dots = nullptr,
                        .split_dots = nullptr});
    }
    if (cpu_has_amx()) {
        Kernels row = rows.back();
        row.name = "amx";
        row.sign_dots = &sign_dots::amx;
        if (cpu_has_amx_bf16()) row.split_dots = &split_dots::amx;
        rows.push_back(row);
    }
#endif
    return rows;
}

const Kernels& find(std::string_view name, std::string_view asked_by) {
    std::string names;
    for (const Kernels& row : available()) {
        if (row.name == name) return row;
        names += names.empty() ? row.name : std::string(", ") + row.name;
    }
    throw std::invalid_argument(std::string(asked_by) + " '" + std::string(name) +
                                "' cannot run on this CPU; available: " + names);
}

std::atomic<const Kernels*> chosen{nullptr};

}  // namespace

const std::vector<Kernels>& available() {
    static const std::vector<Kernels> rows = detect();
    return rows;
}

const Kernels& active() {
    if (const Kernels* row = chosen.load(std::memory_order_acquire)) return *row;
    const char* wanted = std::getenv("BITGROVE_SIMD");
    const Kernels& row =
        wanted && *wanted ? find(wanted, "BITGROVE_SIMD level") : available().back();
    chosen.store(&row, std::memory_order_release);
    return row;
}

void set_level(std::string_view name) {
    chosen.store(&find(name, "SIMD level"), std::memory_order_release);
}

}  // namespace bitgrove
