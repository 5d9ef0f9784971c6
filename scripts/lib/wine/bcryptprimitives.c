// The function of bcryptprimitives.dll that Rust's standard library calls, for a wine that lacks the
// library: `scripts/lib/wine.mjs`. Windows has it.
#include <windows.h>

// RtlGenRandom, by the name that advapi32.dll exports.
BOOLEAN NTAPI SystemFunction036(PVOID data, ULONG size);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T size) {
  return SystemFunction036(data, (ULONG)size);
}
