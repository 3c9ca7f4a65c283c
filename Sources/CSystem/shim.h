/// Calls of Linux that glibc hides behind _GNU_SOURCE, which Swift's Glibc module does not define.
#ifndef QNF_CSYSTEM_H
#define QNF_CSYSTEM_H

/// renameat2(2); with flag 2 (RENAME_EXCHANGE) both names exist before and after, swapped in one step.
int renameat2(int oldFolder, const char *oldPath, int newFolder, const char *newPath, unsigned int flags);

/// fallocate(2); with mode 0 the blocks are reserved and the file is at least offset + byteCount long.
int fallocate(int descriptor, int mode, long offset, long byteCount);

#endif
