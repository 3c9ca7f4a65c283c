// Every kernel that has levels, and those that must be the same on every processor, with random and adversarial inputs:
//
//     conformance levels     the levels of this processor
//     conformance LEVEL      a line for each kernel: its name and a digest of all it has given
//
// run.sh compares the digests of all levels of two kinds of processors with those of plain C.

#include <stdio.h>
#include <string.h>

#include "inputs.h"

static int runAll(qk_simd level) {
    const conformance *const tables[] = {elementKernels, statisticKernels, quantizedKernels, codeKernels,
                                         productKernels, networkKernels,   trainingKernels};
    for (size_t table = 0; table < sizeof tables / sizeof *tables; table++) {
        for (const conformance *kernel = tables[table]; kernel->name; kernel++) {
            digest d = {0};
            kernel->run(level, &d);
            releaseAll();
            printf("%-24s %08x\n", kernel->name, d.crc);
        }
    }
    return 0;
}

int main(int count, char **arguments) {
    for (int level = 0; count == 2 && level < QK_SIMD_COUNT; level++) {
        if (!qk_simd_supports((qk_simd)level)) continue;
        if (strcmp(arguments[1], "levels") == 0) puts(qk_simd_name((qk_simd)level));
        else if (strcmp(arguments[1], qk_simd_name((qk_simd)level)) == 0) return runAll((qk_simd)level);
    }
    if (count == 2 && strcmp(arguments[1], "levels") == 0) return 0;
    fputs("usage: conformance levels | LEVEL, one of those that `conformance levels` lists\n", stderr);
    return 64;
}
