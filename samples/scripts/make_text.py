"""Writes the sample corpus: train.txt to learn from, and a held-out text of other documents.

Documents are separated by an empty line. In train.txt a line `<|endoftext|>` closes a page of one to four
documents, so a model learns both what an empty line and what the end of a text is; the held-out text has no
special token in it, so that every tool reads it alike. No held-out document occurs in the training text.

    python make_text.py --out /tmp/samples/train.txt --heldout ../text/heldout.txt
"""
import argparse

import notes
import stories
from pen import Pen

END = "<|endoftext|>"


def document(pen):
    """A story or something shorter; stories are most of the bytes."""
    return stories.story(pen) if pen.chance(0.45) else notes.note(pen)


def training_pages(seed, byte_count):
    """Pages (lists of documents) of at least `byte_count` bytes together."""
    pen = Pen(f"train {seed}")
    pages, written = [], 0
    while written < byte_count:
        page = [document(pen) for _ in range(pen.number(1, 4))]
        pages.append(page)
        written += sum(len(text.encode()) + 2 for text in page)
    return pages


def heldout_documents(seed, byte_count, known):
    """Documents that are not in the set `known`, each once, of at least `byte_count` bytes together."""
    pen = Pen(f"held out {seed}")
    documents, written = [], 0
    seen = set(known)
    while written < byte_count:
        text = document(pen)
        if text in seen:
            continue
        seen.add(text)
        documents.append(text)
        written += len(text.encode()) + 2
    return documents


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="training text to write")
    parser.add_argument("--heldout", required=True, help="held-out text to write")
    parser.add_argument("--bytes", type=int, default=4_000_000, help="size of the training text (default: %(default)s)")
    parser.add_argument("--heldout-bytes", type=int, default=30_000, help="size of the held-out text (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="(default: %(default)s)")
    options = parser.parse_args()
    pages = training_pages(options.seed, options.bytes)
    documents = heldout_documents(options.seed, options.heldout_bytes, (text for page in pages for text in page))
    with open(options.out, "w", encoding="utf-8", newline="\n") as file:
        file.writelines("\n\n".join(page) + f"\n{END}\n" for page in pages)
    with open(options.heldout, "w", encoding="utf-8", newline="\n") as file:
        file.write("\n\n".join(documents) + "\n")
    print(f"{options.out}: {len(pages)} pages, {sum(map(len, pages))} documents")
    print(f"{options.heldout}: {len(documents)} documents")


if __name__ == "__main__":
    main()
