/// CRC-32C (Castagnoli polynomial 0x1EDC6F41, reflected 0x82F63B78), as in TensorFlow, iSCSI and ext4.
#ifndef QK_CRC32C_H
#define QK_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/// CRC of `byteCount` bytes appended to data whose CRC is `crc` (0 for none).
uint32_t qk_crc32c(uint32_t crc, const void *bytes, size_t byteCount);

/// The portable twin of `qk_crc32c`: table driven, same result.
uint32_t qk_crc32c_scalar(uint32_t crc, const void *bytes, size_t byteCount);

/// CRC of A followed by B, from the CRC of A, the CRC of B and the length of B, in O(log length).
uint32_t qk_crc32c_combine(uint32_t crcA, uint32_t crcB, uint64_t byteCountB);

#endif
