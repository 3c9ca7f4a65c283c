"""Metadata of tokenizers in GGUF files, and the ids of texts by the tokenizers that the files were made of.

    python make_gguf_tokenizer_fixtures.py MODELS IDS       writes gguf-tokenizers again

MODELS has a folder for each model with one .gguf; IDS is an object of names, each with the name of its `model` and `rows` of `text`,
`hf` and `hf_special`: ids by transformers without and with the special tokens that the tokenizer adds. Needs gguf.
"""

import json
import sys
from pathlib import Path

from gguf import GGUFReader

OUT = Path(__file__).resolve().parent / "gguf-tokenizers"
PREFIX = "tokenizer.ggml."


def metadata(path):
    values = {name: field.contents() for name, field in GGUFReader(path).fields.items() if name.startswith("tokenizer.")}
    return {name: [round(v, 6) if isinstance(v, float) else v for v in value] if isinstance(value, list) else value
            for name, value in values.items()}


def main():
    models, ids = Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text())
    OUT.mkdir(exist_ok=True)
    for name, entry in ids.items():
        found = metadata(next((models / entry["model"]).glob("*.gguf")))
        rows = [{"text": row["text"], "ids": row["hf"], "framed": row["hf_special"]} for row in entry["rows"]]
        text = json.dumps({"metadata": found, "rows": rows}, ensure_ascii=False)
        (OUT / f"{name}.json").write_text(text + "\n")
        print(name, {key.removeprefix(PREFIX): len(v) if isinstance(v, list) else v for key, v in found.items()}, len(rows))


if __name__ == "__main__":
    main()
