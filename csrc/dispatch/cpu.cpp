#include "cpu.hpp"

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bitgrove {

#if defined(__x86_64__)
// The builtins also ask XGETBV whether the operating system saves the wide registers.
bool cpu_has_avx2() {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("f16c") && __builtin_cpu_supports("popcnt");
}

bool cpu_has_avx512bw() {
    return cpu_has_avx2() && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}

bool cpu_has_avx512() {
    return cpu_has_avx512bw() && __builtin_cpu_supports("avx512vnni") &&
           __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vbmi");
}
#else
bool cpu_has_avx2() {
    return false;
}
bool cpu_has_avx512bw() {
    return false;
}
bool cpu_has_avx512() {
    return false;
}
#endif

#if defined(__x86_64__) && defined(__linux__)
namespace {

// Asked by CPUID: older compilers' builtins do not know these names.
bool cpu_names_amx() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return false;
    const bool gfni = c >> 8 & 1, tile = d >> 24 & 1, int8 = d >> 25 & 1;
    return gfni && tile && int8;
}

bool cpu_names_amx_bf16() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && d >> 22 & 1;
}

// The 8 KiB of tiles are saved only for processes that ask. The answer holds for all threads, those
// that run already too.
bool os_grants_tiles() {
    constexpr long request = 0x1023, tile_data = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    return syscall(SYS_arch_prctl, request, tile_data) == 0;
}

}  // namespace

bool cpu_has_amx() {
    static const bool yes = cpu_has_avx512() && cpu_names_amx() && os_grants_tiles();
    return yes;
}

bool cpu_has_amx_bf16() {
    static const bool yes = cpu_has_amx() && cpu_names_amx_bf16();
    return yes;
}
#else
bool cpu_has_amx() {
    return false;
}
bool cpu_has_amx_bf16() {
    return false;
}
#endif

}  // namespace bitgrove
