#!/bin/sh
# Digests of what the tools write, over all commands, samples and fixtures: one line for each stream, exit status and file.
#   sh Tests/Goldens/goldens.sh BIN OUT > list      BIN: folder of the tools; OUT: scratch folder, emptied first
# A change that must not be seen from outside is run before and after (`diff`). Figures computed in float32 may differ between
# processors of other SIMD levels.
set -eu
export LC_ALL=C
bin=$1
rm -rf "$2" && mkdir -p "$2"
root=$(cd "$(dirname "$0")/../.." && pwd)
bin=$(cd "$bin" && pwd)
cd "$2"
ln -s "$root/samples" "$root/Tests" .
L=samples/llama-hf G=samples/gpt2-tensorflow B=samples/llama-bnb4
LA=samples/adapters/llama-instructions GA=samples/adapters/gpt2-instructions
F=Tests/Fixtures C=Tests/Fixtures/checkpoints T=Tests/Fixtures/transformer

# What a run took in time and memory differs every time.
costs='/^time of .*about|^time of a step/s/ +[0-9].*/ N/
/of memory at most/{s/[0-9][0-9.e+-]*/N/g;s/N [kMGmu]?(B|s|min|h)/N/g}
s/"(seconds|tokens_per_second|peak_memory|[a-z_]*_(seconds|per_second))": ?[0-9.e+-]+/"\1": N/g'

digest() { printf '%s\t%s\n' "$1" "$(sha256sum | cut -c1-16)"; }

# g NAME TOOL WORDS...: standard output, standard error and status under NAME. Times and memory are no part of it.
g() {
    name=$1 tool=$2
    shift 2
    status=0
    "$bin/$tool" "$@" > .stdout 2> .stderr || status=$?
    for stream in stdout stderr; do sed -E -e "$costs" ".$stream" | digest "$name $stream"; done
    printf '%s\t%s\n' "$name status" "$status"
}

# f NAME: every file below OUT/NAME.
f() {
    find "$1" -type f | sort | while read -r file; do digest "file $file" < "$file"; done
}

# Conversion
g to-nf4.llama qconvert to-nf4 $L -o llama.qnf && f llama.qnf
g to-nf4.gpt2 qconvert to-nf4 $G -o gpt2.qnf --json && f gpt2.qnf
g to-nf4.bnb4 qconvert to-nf4 $B -o bnb4.qnf && f bnb4.qnf
g to-nf4.embeddings qconvert to-nf4 $L -o embeddings.qnf --embeddings nf4 && f embeddings.qnf
g to-nf4.keep qconvert to-nf4 $L -o keep.qnf --keep 'layers\.0\.' --json && f keep.qnf
g to-nf4.dry-run qconvert to-nf4 $L -o none.qnf --dry-run
g to-nf4.tiny-gpt2 qconvert to-nf4 $C/gpt2/dense-f32 -o tiny-gpt2.qnf && f tiny-gpt2.qnf
g to-nf4.tiny-llama qconvert to-nf4 $C/llama/dense-bf16 -o tiny-llama.qnf && f tiny-llama.qnf
g to-nf4.tiny-tensorflow qconvert to-nf4 $F/tensorflow/openai -o tiny-tensorflow.qnf && f tiny-tensorflow.qnf
for variant in block128 dense-bf16 skipped storage-bf16 storage-f32; do
    g to-nf4.$variant qconvert to-nf4 $C/variants/$variant -o "$variant.qnf" && f $variant.qnf
done
g to-hf.llama qconvert to-hf llama.qnf -o llama-4bit && f llama-4bit
g to-hf.dense qconvert to-hf llama.qnf -o llama-dense --dequantize --dtype bf16 --json && f llama-dense
g to-hf.gpt2 qconvert to-hf $G -o gpt2-hf && f gpt2-hf
g to-hf.bnb4 qconvert to-hf $B -o bnb4-dense --dequantize && f bnb4-dense
g to-safetensors.gpt2 qconvert to-safetensors gpt2.qnf -o gpt2.safetensors && f gpt2.safetensors
g to-safetensors.f16 qconvert to-safetensors $L -o llama.safetensors --dtype f16 && f llama.safetensors
g to-lora qconvert to-lora $LA -o llama.lora && f llama.lora
g to-lora.gpt2 qconvert to-lora $GA -o gpt2.lora --json && f gpt2.lora
g to-peft qconvert to-peft llama.lora -o peft && f peft
g to-nf4.nowhere qconvert to-nf4 samples/nowhere -o none.qnf
g to-nf4.itself qconvert to-nf4 $LA -o none.qnf

# Inspection
for model in $L $G $B llama.qnf gpt2.qnf $LA llama.lora $F/nf4/input_f16.safetensors $F/tensorflow/types; do
    label=$(basename "$model")
    g layers.$label qinspect layers "$model" --json
    g check.$label qinspect check "$model"
    g stats.$label qinspect stats "$model" --json
done
g layers.text qinspect layers llama.qnf --match 'layers\.3\.|embed|head'
g metadata.llama qinspect metadata llama.qnf
g metadata.gpt2 qinspect metadata $G --json
g files.llama qinspect files llama.qnf --json
g files.extract qinspect files gpt2.qnf --extract extracted && f extracted
g tensor.quantized qinspect tensor llama.qnf model.layers.0.mlp.gate_proj.weight
g tensor.dense qinspect tensor $G transformer.h.0.attn.c_attn.weight --json
g adapter.text qinspect adapter llama.lora
g adapter.json qinspect adapter $GA --json
g diff.equal qinspect diff $B llama.qnf
g diff.other qinspect diff $L llama.qnf --json
g diff.layouts qinspect diff $G gpt2-hf
g report qinspect report llama.qnf $L -o report.html && f report.html
g report.gpt2 qinspect report gpt2.qnf -o report-gpt2.html && f report-gpt2.html

# Verification
g roundtrip.llama qverify roundtrip $L llama.qnf --bit-exact
g roundtrip.gpt2 qverify roundtrip $G gpt2.qnf --all --json
g roundtrip.strict qverify roundtrip $L llama.qnf --max-rel-rmse 0.01
g integrity qverify integrity llama.qnf
g perplexity qverify perplexity llama.qnf --text samples/text/heldout.txt --max-tokens 1500 --json
g perplexity.gpt2 qverify perplexity $G --text samples/text/heldout.txt --max-tokens 1000
g perplexity.adapter qverify perplexity llama.qnf --adapter llama.lora --text samples/text/heldout.txt --max-tokens 1000
g compare qverify compare $L llama.qnf --text samples/text/heldout.txt --max-tokens 1500
g compare.json qverify compare $G gpt2.qnf --text samples/text/heldout.txt --max-tokens 1000 --json
g report.verify qverify report $L llama.qnf --text samples/text/heldout.txt --max-tokens 1000

# Running
for model in $L llama.qnf $G gpt2.qnf; do
    label=$(basename "$model")
    g run.$label qrun "$model" --template none --temperature 0 --max-tokens 40 --prompt 'Once upon a time there was'
    g exact.$label qrun "$model" --exact --template none --temperature 0 --max-tokens 24 --prompt 'Once upon a time there was'
    g sampled.$label qrun "$model" --seed 7 --max-tokens 24 --prompt 'What is the opposite of cold?'
done
g run.adapter qrun llama.qnf --adapter $LA --temperature 0 --prompt 'What is the opposite of cold?'
g run.half qrun llama.qnf --adapter $LA@0.5 --temperature 0 --prompt 'What is the opposite of cold?'
g run.chatml qrun llama.qnf --template chatml --system 'Be brief.' --temperature 0 --max-tokens 16 --prompt 'Hello'
for model in gpt2 gpt2-gelu gpt2-relu gpt2-silu llama3 llama-biased mistral qwen2 qwen3; do
    g logits.$model qrun $T/$model --prompt-ids 5,9,2,7,1,3,8,4 --exact --dump-logits "logits-$model.safetensors"
    f logits-$model.safetensors
    g fast.$model qrun $T/$model --prompt-ids 5,9,2,7,1,3,8,4 --dump-logits "fast-$model.safetensors"
    f fast-$model.safetensors
done

# Merging
g merge.nf4 qmerge llama.qnf $LA -o merged.qnf && f merged.qnf
g merge.verify qverify merge llama.qnf $LA merged.qnf
g merge.undo qmerge --unmerge merged.qnf -o again.qnf && f again.qnf
g merge.dense qmerge $L $LA -o merged-dense --json && f merged-dense
g merge.dense-undo qmerge --unmerge merged-dense -o again-dense && f again-dense
g merge.to qmerge llama.qnf $LA -o merged-bf16 --to bf16 --no-undo && f merged-bf16
g merge.reference qmerge llama.qnf $LA -o referenced.qnf --reference $L && f referenced.qnf
g merge.gpt2 qmerge gpt2.qnf gpt2.lora -o merged-gpt2.qnf && f merged-gpt2.qnf
g merge.weak qmerge llama.qnf $LA@0.05 -o weak.qnf --strict
for adapter in gpt2-bias-all gpt2-dora gpt2-embedding-tied gpt2-plain; do
    g merge.$adapter qmerge tiny-gpt2.qnf $F/adapters/$adapter -o "$adapter.qnf" && f $adapter.qnf
done
for adapter in llama-bf16-adapter llama-dora llama-embedding llama-modules-to-save llama-plain llama-rank-alpha-pattern llama-rslora; do
    g merge.$adapter qmerge tiny-llama.qnf $F/adapters/$adapter -o "$adapter.qnf" && f $adapter.qnf
done
g extract qmerge --extract $L merged-dense --rank 4 -o extracted.lora
g combine qmerge --combine cat $LA $LA@0.5 -o combined.lora && f combined.lora

# Training
g train.dry-run qtrain llama.qnf --data samples/instructions.json -o none.lora -n
g train qtrain llama.qnf --data samples/instructions.json -o tuned.lora --steps 6 --rank 4 --plot loss.svg --quiet
f tuned.lora && f loss.svg
g train.gpt2 qtrain gpt2.qnf --data samples/instructions.json -o tuned-gpt2.lora --steps 4 --rank 4 --quiet && f tuned-gpt2.lora
g train.full qtrain $L --full --data samples/instructions.json -o full --steps 3 --quiet && f full
g evaluate qtrain evaluate llama.qnf --data samples/instructions.json --adapter $LA --answers 4 --json

# What each tool says of itself
for tool in qconvert qinspect qmerge qrun qtrain qverify; do
    g help.$tool $tool --help
    g manual.$tool $tool --generate-manual
    g wrong.$tool $tool --no-such-option
done
