// Runs everything that has no Python in it; meant for the sanitizers:
//     cmake -S . -B build/asan -DBITGROVE_TESTS=ON -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined"
//     cmake --build build/asan && build/asan/bitgrove_tests
// Given words, it runs the tests that have one of them in their name.
#include <cstdio>
#include <span>
#include <string_view>

#include "check.hpp"

std::span<const Test> binary_dots_tests();
std::span<const Test> block_scan_tests();
std::span<const Test> byte_dots_tests();
std::span<const Test> cluster_tests();
std::span<const Test> container_tests();
std::span<const Test> distance_tests();
std::span<const Test> distance_rows_tests();
std::span<const Test> dot_scan_tests();
std::span<const Test> fanng_paper_tests();
std::span<const Test> fern_sums_tests();
std::span<const Test> ferns_tests();
std::span<const Test> forest_tests();
std::span<const Test> graph_life_tests();
std::span<const Test> graph_memory_tests();
std::span<const Test> graph_tests();
std::span<const Test> hamming_counts_tests();
std::span<const Test> hamming_scan_tests();
std::span<const Test> json_tests();
std::span<const Test> metrics_tests();
std::span<const Test> multi_index_tests();
std::span<const Test> pointwise_tests();
std::span<const Test> real_dots_tests();
std::span<const Test> runtime_tests();
std::span<const Test> sign_dots_tests();
std::span<const Test> sign_tests();
std::span<const Test> split_dots_tests();
std::span<const Test> taps_tests();

namespace {

bool asked_for(std::string_view name, int count, char** words) {
    for (int i = 1; i < count; ++i) {
        if (name.find(words[i]) != name.npos) return true;
    }
    return count < 2;
}

}  // namespace

int main(int count, char** words) {
    for (const auto tests :
         {binary_dots_tests(),  block_scan_tests(),    byte_dots_tests(), cluster_tests(),
          container_tests(),    distance_rows_tests(), distance_tests(),  dot_scan_tests(),
          fanng_paper_tests(),  fern_sums_tests(),     ferns_tests(),     forest_tests(),
          graph_life_tests(),   graph_memory_tests(),  graph_tests(),     hamming_counts_tests(),
          hamming_scan_tests(), json_tests(),          metrics_tests(),   multi_index_tests(),
          pointwise_tests(),    real_dots_tests(),     runtime_tests(),   sign_dots_tests(),
          sign_tests(),         split_dots_tests(),    taps_tests()}) {
        for (const Test& test : tests) {
            if (!asked_for(test.name, count, words)) continue;
            std::printf("%s\n", test.name);
            std::fflush(stdout);
            test.run();
        }
    }
    std::puts("all passed");
}
