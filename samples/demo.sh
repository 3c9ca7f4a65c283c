#!/bin/sh
# The main job on the samples: convert, look inside, verify, hand on, merge an adapter and take it back. Called by `make demo`.
#   sh samples/demo.sh BIN OUT      BIN: folder of the tools; OUT: where results go
set -eu
bin=$1
out=$2
samples=$(dirname "$0")
mkdir -p "$out"

# Shows a command as one would type it, then runs it.
run() {
    printf '\n$ %s' "$(basename "$1")"
    tool=$1
    shift
    for word; do case $word in *[!A-Za-z0-9_./=-]*) printf " '%s'" "$word" ;; *) printf ' %s' "$word" ;; esac; done
    printf '\n'
    "$tool" "$@"
}

printf '1. A GPT-2 as OpenAI published them (TensorFlow) becomes one 4-bit file.\n'
run "$bin/qconvert" to-nf4 "$samples/gpt2-tensorflow" -o "$out/gpt2.qnf" --force
run "$bin/qinspect" layers "$out/gpt2.qnf" --match 'h\.0\.|wte|wpe|ln_f'
run "$bin/qverify" roundtrip "$samples/gpt2-tensorflow" "$out/gpt2.qnf" --bit-exact

printf '\n2. A Llama as Hugging Face keeps them (bf16, three shards), likewise.\n'
run "$bin/qconvert" to-nf4 "$samples/llama-hf" -o "$out/llama.qnf" --force
run "$bin/qinspect" layers "$out/llama.qnf" --match 'layers\.3\.|embed|head|model\.norm'
run "$bin/qverify" roundtrip "$samples/llama-hf" "$out/llama.qnf" --bit-exact

printf '\n3. It equals what transformers and bitsandbytes made of the same model, byte for byte.\n'
run "$bin/qverify" roundtrip "$samples/llama-bnb4" "$out/llama.qnf" --bit-exact

printf '\n4. Every byte of the file is covered by a checksum.\n'
run "$bin/qinspect" check "$out/llama.qnf"

printf '\n5. On to Python: a 4-bit folder that transformers, PEFT and vLLM load, and a dense GPT-2.\n'
run "$bin/qconvert" to-hf "$out/llama.qnf" -o "$out/llama-hf-4bit" --force
run "$bin/qconvert" to-hf "$samples/gpt2-tensorflow" -o "$out/gpt2-hf" --force

printf '\n6. It speaks, alone and with an adapter beside it.\n'
run "$bin/qrun" "$out/llama.qnf" --template none --prompt 'Once upon a time there was' --temperature 0 --max-tokens 60
run "$bin/qrun" "$out/llama.qnf" --prompt 'What is the opposite of cold?' --temperature 0 --adapter "$samples/adapters/llama-instructions"

printf '\n7. What 4 bits cost: perplexity and KL divergence against the source.\n'
run "$bin/qverify" compare "$samples/llama-hf" "$out/llama.qnf" --text "$samples/text/heldout.txt"

printf '\n8. The adapter is merged into the 4-bit file, checked, and taken out again: the bytes are those from before.\n'
run "$bin/qmerge" "$out/llama.qnf" "$samples/adapters/llama-instructions" -o "$out/llama-merged.qnf" --force
run "$bin/qverify" merge "$out/llama.qnf" "$samples/adapters/llama-instructions" "$out/llama-merged.qnf"
run "$bin/qmerge" --unmerge "$out/llama-merged.qnf" -o "$out/llama-again.qnf" --force
run cmp "$out/llama.qnf" "$out/llama-again.qnf"
printf 'no difference\n'

printf '\n9. Instructions that it does not follow, until it is tuned: one of those held out from learning.\n'
question='Rewrite in the passive voice: Lucy cooked the pizza.'
ask() { run "$bin/qrun" "$@" --prompt "$question" --temperature 0 --max-tokens 24; }
ask "$out/llama.qnf"
run "$bin/qtrain" "$out/llama.qnf" --data "$samples/instructions.json" -o "$out/tuned.lora" --epochs 12 --batch-size 16 \
    --rank 32 --alpha 64 --lr 3e-3 --warmup 20 --plot "$out/loss.svg" --force
ask "$out/llama.qnf" --adapter "$out/tuned.lora"
run "$bin/qmerge" "$out/llama.qnf" "$out/tuned.lora" -o "$out/tuned.qnf" --force
ask "$out/tuned.qnf"
run "$bin/qmerge" --unmerge "$out/tuned.qnf" -o "$out/unmerged.qnf" --force
ask "$out/unmerged.qnf"
cmp "$out/llama.qnf" "$out/unmerged.qnf"

printf '\n10. All 110 held-out records: of the base, with the adapter beside it, and merged into 4 bits.\n'
evaluate() { run "$bin/qtrain" evaluate "$@" --data "$samples/instructions.json" --answers 110; }
evaluate "$out/llama.qnf"
evaluate "$out/llama.qnf" --adapter "$out/tuned.lora"
evaluate "$out/tuned.qnf"

printf '\nThe results lie in %s/:\n' "$out"
ls "$out"
