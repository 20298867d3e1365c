// What this CPU, and the operating system's saving of its registers, can run.
#pragma once

namespace bitgrove {

bool cpu_has_avx2();    // AVX2, FMA, F16C and POPCNT
bool cpu_has_avx512bw();  // AVX-512 F, BW, DQ and VL, with all of the above
bool cpu_has_amx();
bool cpu_has_avx512();  // AVX-512 F, BW, DQ, VL, VNNI and VPOPCNTDQ, with all of the above

}  // namespace bitgrove
