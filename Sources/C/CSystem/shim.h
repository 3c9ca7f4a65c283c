#ifndef QNF_CSYSTEM_H
#define QNF_CSYSTEM_H

#if defined(__linux__)

/// Calls of Linux that glibc hides behind _GNU_SOURCE, which Swift's Glibc module does not define.
#include <sys/syscall.h>
#include <unistd.h>

/// renameat2(2); with flag 2 (RENAME_EXCHANGE) both names exist before and after, swapped in one step.
int renameat2(int oldFolder, const char *oldPath, int newFolder, const char *newPath, unsigned int flags);

/// fallocate(2); with mode 0 the blocks are reserved and the file is at least offset + byteCount long.
int fallocate(int descriptor, int mode, long offset, long byteCount);

/// sync_file_range(2); with flag 2 (SYNC_FILE_RANGE_WRITE) writing to disk begins and is not waited for.
int sync_file_range(int descriptor, long offset, long byteCount, unsigned int flags);

/// copy_file_range(2): bytes from one file to another without passing through this process; shared by both where the file system can.
long copy_file_range(int input, long *inputOffset, int output, long *outputOffset, unsigned long byteCount, unsigned int flags);

/// Processors that this process may run on (sched_getaffinity(2)), which may be fewer than are online; 0 if that fails.
static inline int processorCount(void) {
    unsigned long mask[8192 / (8 * sizeof(unsigned long))];
    long byteCount = syscall(SYS_sched_getaffinity, 0, sizeof mask, mask);
    int count = 0;
    for (long i = 0; i < byteCount / (long)sizeof mask[0]; i++) count += __builtin_popcountl(mask[i]);
    return count;
}

#endif

/// Tells the processor that this thread waits for a change of memory: some ten nanoseconds.
static inline void spinPause(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

#endif
