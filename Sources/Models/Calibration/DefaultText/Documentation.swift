extension DefaultText {
    static let documentation = #"""
        NAME
            fold - wrap each input line to fit in a specified width

        SYNOPSIS
            fold [-bs] [-w WIDTH] [FILE]...

        DESCRIPTION
            Writes each FILE, or standard input where there is none, with lines broken so that none is longer than WIDTH columns (80 by default).

            -b   count bytes rather than columns
            -s   break at spaces where there is one
            -w   use WIDTH columns

        EXIT STATUS
            0 if all files were read; 1 if one could not be opened.

        # tinycache

        A small cache for Python functions that take long and return the same every time.

        ## Installation

            pip install tinycache

        Python 3.9 or newer is needed. There are no other dependencies.

        ## Usage

        ```python
        from tinycache import cached

        @cached(seconds=3600)
        def exchange_rate(currency):
            return fetch(f"https://example.org/rates/{currency}")["rate"]
        ```

        The first call fetches the rate; further calls within the hour return what the first one got. `exchange_rate.forget()` empties the cache.

        | parameter | type | default | meaning |
        |-----------|------|---------|---------|
        | `seconds` | float | none | how long a value is kept; `None` keeps it until the program ends |
        | `size` | int | 128 | how many values are kept; the one that was not used for the longest time goes first |
        | `key` | callable | all arguments | makes a key of the arguments |

        **Note:** values are kept in the memory of the process. Two processes have two caches.

        ## Changes

        ### 1.2.0

        - `size=0` switches the cache off, which is useful in tests.
        - Fixed: exceptions were cached as if they were values (#41).

        ### 1.1.0

        - Functions that are coroutines can be cached, too.

        Class `Matrix`

            Matrix(rows: int, columns: int, fill: float = 0.0)

        A dense matrix of double-precision numbers, stored row by row.

        Methods:

        `at(row, column)` returns a reference to an element. Throws `OutOfRange` where `row` or `column` is not below the size of the matrix. In
        builds without checks the behaviour is undefined instead; use `at_unchecked` to say that you know what you are doing.

        `transpose()` returns a new matrix. Complexity: O(rows * columns). The original is not changed.

        `solve(b)` returns x such that A x = b, by LU decomposition with partial pivoting. Throws `Singular` if a pivot is smaller than
        `1e-12` times the largest element of its column. To solve for several right-hand sides, keep the result of `factor()`.

        Complexity of common operations:

            operation          array      linked list    hash table    balanced tree
            access by index    O(1)       O(n)           -             O(log n)
            search             O(n)       O(n)           O(1)          O(log n)
            insert at front    O(n)       O(1)           -             -
            insert by key      -          -              O(1)          O(log n)
            in sorted order    O(n log n) O(n log n)     O(n log n)    O(n)

        How to replace the filter

        1. Switch the machine off at the wall and wait until the fan has stopped.
        2. Open the two clips at the bottom (see figure 3) and lift the cover off.
        3. Pull the old filter out towards you. Dust may fall: put a newspaper underneath.
        4. Push the new filter in with the arrow pointing up until it clicks.
        5. Close the cover. Press and hold RESET for five seconds; the light turns green.

        Replace the filter every 2,000 hours of operation or once a year, whichever comes first. Part number: F-204/B. Do not wash it.

        Configuration file

        The file is read from `/etc/station.conf`, then from `~/.config/station.conf`; later values replace earlier ones. Lines that begin with `#`
        are ignored.

            # how often to measure, in seconds (1 to 3600)
            interval = 60
            # one or more of: temperature, humidity, pressure
            sensors = temperature, pressure
            [upload]
            url = https://example.org/api
            timeout = 10

        If a key is not known, the program prints a warning with the line number and goes on. If a value is out of range, it stops:

            station.conf:4: interval is 7200, but at most 3600 are allowed

        Frequently asked questions

        Q: Can I use the library in a closed-source product?
        A: Yes. It is under the MIT license; keep the notice with the copies that you distribute.

        Q: Why is the first request slow?
        A: The connection is opened and the certificate is checked then. Later requests use the same connection as long as there is no pause of
        more than 60 seconds between them.

        Q: I get "error 0x80070005". What does it mean?
        A: Access was denied. Run the installer as an administrator, or choose a folder for which you have write permission.

        Protocol

        A client opens a TCP connection to port 7421 and sends a header of 16 bytes. All numbers are unsigned and little-endian.

            offset  size  field
            0       4     magic number, 0x51 0x4E 0x01 0x00
            4       2     version, 3
            6       2     flags: bit 0 compressed, bit 1 more frames follow; the others must be 0
            8       8     length of the payload in bytes, at most 2^32

        The server answers with a status of one byte: 0 accepted, 1 malformed header, 2 unsupported version, 3 busy (try again after one second). A
        client must not send a payload before it has read the status. Connections without traffic are closed after 30 seconds.

        Theorem. There are infinitely many prime numbers.

        Proof. Let p_1, ..., p_n be any finite list of primes, and let N = p_1 p_2 ... p_n + 1. No p_i divides N, since it would then divide
        N - p_1 p_2 ... p_n = 1. But N > 1 has a prime factor, which is therefore not in the list. Hence no finite list contains all primes. QED

        Let f(x) = x^2 sin(1/x) for x != 0 and f(0) = 0. Then f is differentiable everywhere: for x != 0 the product rule gives
        f'(x) = 2x sin(1/x) - cos(1/x), and f'(0) = lim h sin(1/h) = 0 as h goes to 0. But f' is not continuous at 0, because cos(1/x) has no limit.

        Abstract. We study how the yield of winter wheat depends on the date of sowing in 214 fields in the north-west of the country between 1998
        and 2017. Each week of delay after 1 October cost 1.9 percent of the yield (95 % confidence interval 1.4 to 2.4), but the effect was half as
        large in years with a mild November. The variety explained less of the variance (7 %) than the soil (22 %) and the weather in May (31 %).
        Our results suggest that recommendations should be given by soil rather than by region.

        12. Liability. The lender is liable without limit for intent and gross negligence. In cases of slight negligence it is liable only for the
        breach of an essential obligation, and only for damage that is typical and foreseeable. Section 14 of the Product Liability Act remains
        unaffected. Any claim under this agreement lapses two years after the end of the year in which it arose.

        Commit message

            Close files that could not be read to the end

            A short read threw before the descriptor was released, so that a server which met 1,024 truncated uploads refused all others.
            The file is closed in a defer block now; a test opens the same truncated file 2,000 times.

        Meeting notes, 3 March. Present: Ana, Dmitri, Wei, Zoë. (1) Release 4.2 moves to 18 March, as translations are late. (2) The import of old
        archives fails for names with umlauts; Wei has a fix, Ana reviews. (3) Support asks for a way to export logs: Dmitri estimates two days.
        (4) Next meeting on the 10th, 10:00, room Turing.

        Units. Length: 1 inch = 25.4 mm, 1 foot = 304.8 mm, 1 mile = 1,609.344 m. Mass: 1 pound = 0.45359237 kg, 1 ounce = 28.35 g. Temperature: F =
        9/5 C + 32, so that 20 °C are 68 °F and -40 is the same on both scales. Energy: 1 kWh = 3.6 MJ = 860 kcal. Speed of light: 299,792,458 m/s.

        | planet  | distance from the sun (AU) | radius (km) | moons | day (hours) |
        |---------|---------------------------:|------------:|------:|------------:|
        | Mercury | 0.39                       | 2,440       | 0     | 4,222.6     |
        | Venus   | 0.72                       | 6,052       | 0     | 2,802.0     |
        | Earth   | 1.00                       | 6,371       | 1     | 24.0        |
        | Mars    | 1.52                       | 3,390       | 2     | 24.7        |
        | Jupiter | 5.20                       | 69,911      | 95    | 9.9         |
        | Saturn  | 9.58                       | 58,232      | 146   | 10.7        |

        To: all staff. Subject: New passwords. Starting on Monday, passwords must have at least fourteen characters. They no longer have to be changed
        every ninety days. Please do not use the same one at home. If you have forgotten yours, go to the help desk on the second floor with your
        identity card; we never ask for passwords by telephone or by mail, and whoever does so is not one of us.

        Patient: M. K., 58 years, male. Complaint: cough for three weeks, worse at night, no fever. History: hypertension, treated with ramipril 5 mg
        since January. Examination: lungs clear on both sides, blood pressure 142/88, pulse 72, oxygen saturation 98 %. Assessment: cough most likely
        caused by the ACE inhibitor. Plan: replace ramipril with candesartan 8 mg, check again in four weeks; chest X-ray if the cough persists.

        Recipe for eight rolls: 500 g flour, 300 ml lukewarm water, 10 g salt, 7 g dry yeast, 1 tablespoon of oil. Knead for ten minutes and let
        rise, covered, for one hour. Shape, brush with water, sprinkle with seeds, and bake at 230 °C for 18 to 20 minutes with a bowl of hot water on
        the floor of the oven. They are done when they sound hollow.

        """#
}
