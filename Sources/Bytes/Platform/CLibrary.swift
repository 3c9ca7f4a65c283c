/// The C library, under one name on every system.
///
/// No other room imports `Glibc` or `Darwin`: what differs between them is a function here, and `make lint` sees to both.
#if canImport(Darwin)
    @_exported public import Darwin
#else
    @_exported public import Glibc
#endif
