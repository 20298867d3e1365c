// How fast a level can count bits at best: XOR, count and add on registers alone, as many chains at
// once as hide their latency. What a kernel reaches is told as a share of it.
//
// Does `rounds` rounds and returns how many pairs of signs that multiplied; `*kept` is written so
// that no compiler can leave the work out.
#pragma once
#include <cstddef>
#include <cstdint>

namespace bitgrove {

using PopcountPeakFn = double (*)(std::size_t rounds, std::uint64_t* kept);

namespace popcount_peak {
double scalar(std::size_t, std::uint64_t*);
double avx2(std::size_t, std::uint64_t*);
double avx512(std::size_t, std::uint64_t*);  // needs VPOPCNTDQ
double neon(std::size_t, std::uint64_t*);
}  // namespace popcount_peak
}  // namespace bitgrove
