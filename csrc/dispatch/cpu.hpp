// What this CPU, and the operating system's saving of its registers, can run.
#pragma once

namespace bitgrove {

bool cpu_has_avx2();      // AVX2, FMA, F16C and POPCNT
bool cpu_has_avx512bw();  // AVX-512 F, BW, DQ and VL, with all of the above
bool cpu_has_avx512();    // VNNI and VPOPCNTDQ, with all of the above

// AMX of bytes, with GFNI and all of the above, where the operating system lets this process use
// it: the first call asks Linux for that.
bool cpu_has_amx();
bool cpu_has_amx_bf16();  // AMX of bfloat16, with all of the above

}  // namespace bitgrove
