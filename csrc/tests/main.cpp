// Runs everything that has no Python in it; meant for the sanitizers:
//     cmake -S . -B build/asan -DBITGROVE_TESTS=ON -DCMAKE_CXX_FLAGS="-fsanitize=address,undefined"
//     cmake --build build/asan && build/asan/bitgrove_tests
#include <cstdio>
#include <span>

#include "check.hpp"

std::span<const Test> binary_dots_tests();
std::span<const Test> byte_dots_tests();
std::span<const Test> cluster_tests();
std::span<const Test> container_tests();
std::span<const Test> distance_tests();
std::span<const Test> distance_rows_tests();
std::span<const Test> dot_scan_tests();
std::span<const Test> fanng_paper_tests();
std::span<const Test> fern_sums_tests();
std::span<const Test> ferns_tests();
std::span<const Test> graph_life_tests();
std::span<const Test> graph_tests();
std::span<const Test> hamming_scan_tests();
std::span<const Test> json_tests();
std::span<const Test> pointwise_tests();
std::span<const Test> real_dots_tests();
std::span<const Test> runtime_tests();
std::span<const Test> sign_dots_tests();
std::span<const Test> sign_tests();
std::span<const Test> split_dots_tests();
std::span<const Test> taps_tests();

int main() {
    for (const auto tests :
         {binary_dots_tests(),   byte_dots_tests(), cluster_tests(),    container_tests(),
          distance_rows_tests(), distance_tests(),  dot_scan_tests(),   fanng_paper_tests(),
          fern_sums_tests(),     ferns_tests(),     graph_life_tests(), graph_tests(),
          hamming_scan_tests(),  json_tests(),      pointwise_tests(),  real_dots_tests(),
          runtime_tests(),       sign_dots_tests(), sign_tests(),       split_dots_tests(),
          taps_tests()}) {
        for (const Test& test : tests) {
            std::printf("%s\n", test.name);
            std::fflush(stdout);
            test.run();
        }
    }
    std::puts("all passed");
}
