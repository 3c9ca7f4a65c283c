"""Writes a trained Llama as the two Hugging Face samples: bfloat16 in shards, and bitsandbytes 4-bit in one file.

Both are written by transformers' own `save_pretrained`; the 4-bit twin is quantized by bitsandbytes (NF4, blocks of
64, double quantization) from the bfloat16 one. Two things depend on the machine and are pinned here: PyTorch adds up
the mean of the absmax values (the stored offset) in an order that depends on SIMD width and threads, so AVX2 and one
thread are forced; and the 4-bit model is saved before it ever runs, because running it on a CPU with AVX512-BF16
changes the stored absmax.

    python write_llama.py --model /tmp/samples/llama --tokenizer /tmp/samples/tokenizer \\
        --out ../llama-hf --out-bnb4 ../llama-bnb4
"""
import argparse
import glob
import json
import os

os.environ["ATEN_CPU_CAPABILITY"] = "avx2"      # read by PyTorch when it is loaded

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, BitsAndBytesConfig, GenerationConfig, PreTrainedTokenizerFast

END = "<|endoftext|>"
# Instruction prompts in the manner of Alpaca, without its preamble; an answer ends with <|endoftext|>.
CHAT_TEMPLATE = """\
{%- for message in messages %}
    {%- if message['role'] == 'system' %}
        {{- message['content'] + '\\n\\n' }}
    {%- elif message['role'] == 'user' %}
        {{- '### Instruction:\\n' + message['content'] + '\\n\\n' }}
    {%- elif message['role'] == 'assistant' %}
        {{- '### Response:\\n' + message['content'] + eos_token }}
    {%- else %}
        {{- raise_exception('unknown role ' + message['role']) }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '### Response:\\n' }}
{%- endif %}
"""


def make_tokenizer(folder, context):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_file(os.path.join(folder, "tokenizer.json")), bos_token=END, eos_token=END,
        unk_token=END, pad_token=END, model_max_length=context, clean_up_tokenization_spaces=False)
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def save_tokenizer(tokenizer, folder):
    """save_pretrained's files plus the special_tokens_map.json that transformers wrote before version 5."""
    tokenizer.save_pretrained(folder)
    path = os.path.join(folder, "tokenizer_config.json")
    with open(path, encoding="utf-8") as file:
        config = json.load(file)
    config["tokenizer_class"] = "PreTrainedTokenizerFast"      # the name every version knows
    with open(path, "w", encoding="utf-8") as file:
        json.dump(config, file, indent=2, ensure_ascii=False)
        file.write("\n")
    with open(os.path.join(folder, "special_tokens_map.json"), "w", encoding="utf-8") as file:
        json.dump({name: END for name in ("bos_token", "eos_token", "pad_token", "unk_token")}, file, indent=2)
        file.write("\n")


def write_bfloat16(source, folder, shard_size):
    model = AutoModelForCausalLM.from_pretrained(source, dtype=torch.bfloat16)
    end = model.config.eos_token_id
    model.generation_config = GenerationConfig(bos_token_id=end, eos_token_id=end, pad_token_id=end)
    model.save_pretrained(folder, max_shard_size=shard_size)
    return model.config.max_position_embeddings


def write_4bit(source, folder):
    settings = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                                  bnb_4bit_compute_dtype=torch.bfloat16)
    model = AutoModelForCausalLM.from_pretrained(source, quantization_config=settings, device_map={"": "cpu"},
                                                 dtype=torch.bfloat16)
    model.save_pretrained(folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="Hugging Face folder of the trained float32 Llama")
    parser.add_argument("--tokenizer", required=True, help="folder with tokenizer.json")
    parser.add_argument("--out", required=True, help="folder for the bfloat16 sample")
    parser.add_argument("--out-bnb4", required=True, help="folder for the 4-bit sample")
    parser.add_argument("--shard-size", default="800KB", help="(default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if torch.backends.cpu.get_cpu_capability() != "AVX2":
        raise SystemExit(f"PyTorch runs with {torch.backends.cpu.get_cpu_capability()}; the stored offsets would "
                         "differ in their last bits from the sample's: an x86-64 CPU with AVX2 is needed")
    for folder in (options.out, options.out_bnb4):
        for stale in glob.glob(os.path.join(glob.escape(folder), "model*.safetensors*")):
            os.remove(stale)
    context = write_bfloat16(options.model, options.out, options.shard_size)
    write_4bit(options.out, options.out_bnb4)
    for folder in (options.out, options.out_bnb4):
        save_tokenizer(make_tokenizer(options.tokenizer, context), folder)
        for name in sorted(os.listdir(folder)):
            print(f"{os.path.getsize(os.path.join(folder, name)):9d}  {folder}/{name}")


if __name__ == "__main__":
    main()
