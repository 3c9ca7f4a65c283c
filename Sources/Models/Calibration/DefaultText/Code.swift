extension DefaultText {
    static let code = #"""
        #!/usr/bin/env python3
        """Count words in files, the most frequent first."""
        import argparse
        import collections
        import re
        import sys

        WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


        def words(lines):
            for line in lines:
                yield from (word.lower() for word in WORD.findall(line))


        class Counter:
            def __init__(self, stop=()):
                self.counts = collections.Counter()
                self.stop = frozenset(stop)

            def add(self, path):
                try:
                    with open(path, encoding="utf-8") as file:
                        self.counts.update(word for word in words(file) if word not in self.stop)
                except (OSError, UnicodeDecodeError) as error:
                    print(f"{path}: {error}", file=sys.stderr)
                    return False
                return True


        def main():
            parser = argparse.ArgumentParser(description=__doc__)
            parser.add_argument("files", nargs="+")
            parser.add_argument("-n", type=int, default=20, help="how many words to print (default: 20)")
            arguments = parser.parse_args()
            counter = Counter(stop=["the", "and", "a", "of", "to"])
            succeeded = all([counter.add(path) for path in arguments.files])
            for word, count in counter.counts.most_common(arguments.n):
                print(f"{count:8d}  {word}")
            return 0 if succeeded else 1


        if __name__ == "__main__":
            sys.exit(main())

        /* A ring buffer for one writer and one reader. */
        #include <stdatomic.h>
        #include <stdbool.h>
        #include <stddef.h>
        #include <string.h>

        typedef struct {
            unsigned char *bytes;
            size_t mask;                 /* capacity - 1, which is a power of two minus one */
            _Atomic size_t head, tail;   /* total bytes written and read; never wrapped */
        } ring;

        static size_t minimum(size_t a, size_t b) { return a < b ? a : b; }

        size_t ring_write(ring *r, const void *data, size_t count) {
            const size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
            const size_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
            const size_t room = r->mask + 1 - (head - tail);
            if (count > room) count = room;
            const size_t start = head & r->mask;
            const size_t first = minimum(count, r->mask + 1 - start);
            memcpy(r->bytes + start, data, first);
            memcpy(r->bytes, (const unsigned char *)data + first, count - first);
            atomic_store_explicit(&r->head, head + count, memory_order_release);
            return count;
        }

        bool ring_is_empty(const ring *r) {
            return atomic_load(&r->head) == atomic_load(&r->tail);
        }

        // Shortest paths in a weighted graph (Dijkstra)
        export function shortestPaths(graph, source) {
          const distance = new Map([[source, 0]]);
          const previous = new Map();
          const open = new Set([source]);
          while (open.size > 0) {
            let nearest = null;
            for (const node of open) {
              if (nearest === null || distance.get(node) < distance.get(nearest)) nearest = node;
            }
            open.delete(nearest);
            for (const { to, weight } of graph[nearest] ?? []) {
              if (weight < 0) throw new RangeError(`negative weight ${weight} from ${nearest} to ${to}`);
              const candidate = distance.get(nearest) + weight;
              if (candidate < (distance.get(to) ?? Infinity)) {
                distance.set(to, candidate);
                previous.set(to, nearest);
                open.add(to);
              }
            }
          }
          return { distance, previous };
        }

        document.querySelector("#search").addEventListener("input", async (event) => {
          const query = event.target.value.trim();
          if (query.length < 3) return;
          const response = await fetch(`/api/search?q=${encodeURIComponent(query)}`);
          if (!response.ok) { console.error("search failed:", response.status); return; }
          const { results } = await response.json();
          document.querySelector("#results").replaceChildren(...results.map((r) => {
            const item = document.createElement("li");
            item.textContent = r.title;
            return item;
          }));
        });

        import Foundation

        /// A bank account in cents, so that nothing is ever rounded.
        struct Account: Codable, Equatable {
            enum Failure: Error { case insufficientFunds(missing: Int), negativeAmount(Int) }

            let owner: String
            private(set) var balance = 0

            mutating func deposit(_ cents: Int) throws {
                guard cents >= 0 else { throw Failure.negativeAmount(cents) }
                balance += cents
            }

            mutating func withdraw(_ cents: Int) throws {
                guard cents >= 0 else { throw Failure.negativeAmount(cents) }
                guard cents <= balance else { throw Failure.insufficientFunds(missing: cents - balance) }
                balance -= cents
            }
        }

        extension Array where Element == Account {
            var total: Int { reduce(0) { $0 + $1.balance } }
        }

        use std::collections::BTreeMap;
        use std::io::{self, BufRead};

        #[derive(Debug, Default)]
        struct Histogram {
            bins: BTreeMap<i64, usize>,
            width: f64,
        }

        impl Histogram {
            fn new(width: f64) -> Self {
                assert!(width > 0.0);
                Self { width, ..Default::default() }
            }

            fn add(&mut self, value: f64) {
                let bin = (value / self.width).floor() as i64;
                *self.bins.entry(bin).or_insert(0) += 1;
            }
        }

        fn main() -> Result<(), Box<dyn std::error::Error>> {
            let mut histogram = Histogram::new(0.5);
            for line in io::stdin().lock().lines() {
                let line = line?;
                match line.trim().parse::<f64>() {
                    Ok(value) => histogram.add(value),
                    Err(error) => eprintln!("ignored {line:?}: {error}"),
                }
            }
            for (bin, count) in &histogram.bins {
                println!("{:>8.2} {}", *bin as f64 * histogram.width, "#".repeat(*count));
            }
            Ok(())
        }

        CREATE TABLE customers (
            id          INTEGER PRIMARY KEY,
            name        TEXT NOT NULL,
            country     CHAR(2) NOT NULL DEFAULT 'DE',
            created_at  TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP
        );

        CREATE INDEX orders_by_customer ON orders (customer_id, ordered_on DESC);

        -- Customers who ordered for more than 500 last year, with the share of each in the whole
        SELECT c.name,
               c.country,
               SUM(o.amount) AS total,
               ROUND(100.0 * SUM(o.amount) / SUM(SUM(o.amount)) OVER (), 1) AS percent
        FROM customers AS c
        JOIN orders AS o ON o.customer_id = c.id
        WHERE o.ordered_on >= DATE '2023-01-01' AND o.ordered_on < DATE '2024-01-01'
        GROUP BY c.id, c.name, c.country
        HAVING SUM(o.amount) > 500
        ORDER BY total DESC
        LIMIT 20;

        #!/bin/sh
        # Back up a folder to a dated archive and keep the newest seven.
        set -eu
        source=${1:?usage: backup FOLDER DESTINATION}
        destination=${2:?usage: backup FOLDER DESTINATION}
        name=$(basename "$source")
        stamp=$(date +%Y-%m-%dT%H%M%S)
        mkdir -p "$destination"
        tar -C "$(dirname "$source")" -czf "$destination/$name-$stamp.tar.gz.part" "$name"
        mv "$destination/$name-$stamp.tar.gz.part" "$destination/$name-$stamp.tar.gz"
        ls -1t "$destination/$name"-*.tar.gz | tail -n +8 | while read -r old; do
            echo "removing $old" >&2
            rm -- "$old"
        done

        package main

        import (
        	"encoding/json"
        	"log"
        	"net/http"
        	"sync"
        	"time"
        )

        type entry struct {
        	Value   string    `json:"value"`
        	Expires time.Time `json:"expires"`
        }

        type store struct {
        	mu      sync.RWMutex
        	entries map[string]entry
        }

        func (s *store) get(key string) (entry, bool) {
        	s.mu.RLock()
        	defer s.mu.RUnlock()
        	e, ok := s.entries[key]
        	if !ok || time.Now().After(e.Expires) {
        		return entry{}, false
        	}
        	return e, true
        }

        func main() {
        	s := &store{entries: map[string]entry{}}
        	http.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
        		e, ok := s.get(r.URL.Query().Get("key"))
        		if !ok {
        			http.Error(w, "not found", http.StatusNotFound)
        			return
        		}
        		w.Header().Set("Content-Type", "application/json")
        		json.NewEncoder(w).Encode(e)
        	})
        	log.Fatal(http.ListenAndServe(":8080", nil))
        }

        <!DOCTYPE html>
        <html lang="en">
          <head>
            <meta charset="utf-8">
            <title>Opening hours</title>
            <style>
              body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; }
              table { border-collapse: collapse; width: 100%; }
              td, th { border-bottom: 1px solid #ccc; padding: .25rem .5rem; text-align: left; }
              @media (prefers-color-scheme: dark) { body { background: #111; color: #eee; } }
            </style>
          </head>
          <body>
            <h1>Opening hours</h1>
            <table>
              <tr><th>Monday to Friday</th><td>9:00 to 18:30</td></tr>
              <tr><th>Saturday</th><td>10:00 to 14:00</td></tr>
            </table>
            <p>Closed on <a href="/holidays">public holidays</a>.</p>
          </body>
        </html>

        {
          "name": "weather-station",
          "version": "2.1.0",
          "sensors": [
            { "id": 1, "kind": "temperature", "unit": "°C", "offset": -0.35, "enabled": true },
            { "id": 2, "kind": "humidity", "unit": "%", "offset": 0, "enabled": true },
            { "id": 7, "kind": "wind", "unit": "m/s", "offset": null, "enabled": false }
          ],
          "upload": { "url": "https://example.org/api/v2/readings", "interval": 300, "retries": 3 }
        }

        name: test
        on: [push, pull_request]
        jobs:
          build:
            runs-on: ubuntu-latest
            strategy:
              matrix:
                python: ["3.10", "3.11", "3.12"]
            steps:
              - uses: actions/checkout@v4
              - uses: actions/setup-python@v5
                with:
                  python-version: ${{ matrix.python }}
              - run: pip install -e ".[test]"
              - run: pytest -x -q

        template <typename Iterator, typename Compare = std::less<>>
        void insertion_sort(Iterator first, Iterator last, Compare less = {}) {
            for (Iterator i = first; i != last; ++i) {
                auto value = std::move(*i);
                Iterator hole = i;
                while (hole != first && less(value, *std::prev(hole))) {
                    *hole = std::move(*std::prev(hole));
                    hole = std::prev(hole);
                }
                *hole = std::move(value);
            }
        }

        public record Point(double x, double y) {
            public static final Point ORIGIN = new Point(0, 0);

            public Point {
                if (Double.isNaN(x) || Double.isNaN(y)) throw new IllegalArgumentException("not a number: " + x + ", " + y);
            }

            public double distanceTo(Point other) {
                return Math.hypot(x - other.x, y - other.y);
            }
        }

        Traceback (most recent call last):
          File "/srv/app/report.py", line 88, in <module>
            main(sys.argv[1:])
          File "/srv/app/report.py", line 71, in main
            table = load(arguments.path)
          File "/srv/app/report.py", line 23, in load
            return [parse(line) for line in file]
        ValueError: invalid literal for int() with base 10: '12,5'

        --- a/report.py
        +++ b/report.py
        @@ -14,7 +14,7 @@ def parse(line):
             fields = line.rstrip("\n").split(";")
             if len(fields) != 3:
                 raise ValueError(f"expected 3 fields, found {len(fields)}")
        -    return fields[0], int(fields[1]), fields[2]
        +    return fields[0], float(fields[1].replace(",", ".")), fields[2]

        """#
}
