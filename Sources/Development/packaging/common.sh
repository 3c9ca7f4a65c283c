# What both packages need to know; to be read by `.` with $bin and $repository set.

version=$("$bin/qconvert" --version)
version=$(echo "$version" | cut -d " " -f 2)
# Of the last commit: two builds of one commit give the same packages.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct 2>/dev/null || echo 0)}
export SOURCE_DATE_EPOCH LC_ALL=C TZ=UTC
umask 022

# The oldest C library that has every symbol that a program asks for.
glibc_version() {
    objdump -T "$@" | sed -n 's/.*GLIBC_\([0-9][0-9.]*\).*/\1/p' | sort -t . -k 1,1n -k 2,2n -u | tail -n 1
}

# The libraries that programs ask for, one a line.
libraries() {
    objdump -p "$@" | sed -n 's/.*NEEDED *//p' | sort -u
}
