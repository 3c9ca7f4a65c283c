package import CommandLineKit
import ToolSupport

/// The tool: conversions between model formats.
package let qconvert = Tool(
    "qconvert", summary: "convert models to 4-bit .qnf files and back", version: toolVersion,
    commands: [toNF4Command, toHFCommand, toSafetensorsCommand, toPEFTCommand, toLoRACommand])

private let sourceHelp =
    "model: .safetensors file or index, Hugging Face folder, GPT-2 TensorFlow folder, bitsandbytes 4-bit folder, or .qnf"

private let common: [Option] = [.threads, .maxMemory, .force, .json]
private let denseTypes = ["keep", "f32", "f16", "bf16"]

private let toNF4Command = Command(
    "to-nf4", summary: "quantize a model to one .qnf file",
    discussion: """
        Weights of linear layers become 4-bit exactly as bitsandbytes makes them on a CPU; embeddings, norms and the output \
        head stay as they are. Rules of --keep and --quantize are tried in the order in which they are given, and the first \
        that matches a tensor's name decides. A model that is 4-bit already is repacked without loss. Experts of mixtures \
        become 4-bit one by one, unless --match-transformers keeps them dense as transformers 5 does; to-hf writes them dense.

          type  constants  bits/weight  error, relative to the weights (RMSE)
          nf4   8-bit             4.13  9.2 %
          nf4   f32               4.50  9.2 %
          fp4   8-bit             4.13  12.2 %
        """,
    arguments: [Argument("source", help: sourceHelp)],
    options: [
        .output.required(),
        .choice("quant-type", ["nf4", "fp4"], default: "nf4", help: "4-bit type"),
        .choice(
            "block-size", ["32", "64", "128", "256", "512", "1024", "2048", "4096"], placeholder: "N", default: "64",
            help: "elements that share one constant"),
        .flag("no-double-quant", help: "keep the constants as f32"),
        .text("keep", "REGEX", help: "leave tensors whose name matches as they are").repeatable(),
        .text("quantize", "REGEX", help: "quantize 2-D tensors whose name matches").repeatable(),
        .choice("embeddings", ["keep", "nf4"], default: "keep", help: "what becomes of embedding tables"),
        .flag("match-transformers", help: "keep experts and others dense as transformers does"),
        .choice("dtype", denseTypes, default: "keep", help: "type of floats that are not quantized"),
        .flag("allow-nonfinite", help: "quantize NaN and infinities (with --no-double-quant)"),
        plainFloat8,
        .dryRun,
    ] + common,
    example: "qconvert to-nf4 TinyLlama-1.1B -o tinyllama.qnf", run: toNF4)

private let toHFCommand = Command(
    "to-hf", summary: "write a folder that Hugging Face transformers loads",
    discussion: """
        A 4-bit model becomes a pre-quantized folder (bitsandbytes 4-bit), or with --dequantize a dense one. \
        A dense model, such as a GPT-2 TensorFlow checkpoint, becomes a dense folder.
        """,
    arguments: [Argument("model", help: sourceHelp)],
    options: [
        .output.required(),
        .flag("dequantize", help: "write dense weights"),
        .choice("dtype", denseTypes, default: "keep", help: "type of dense floats"),
        .byteCount("max-shard-size", default: 5_000_000_000, defaultText: "5GB", help: "data bytes in one file"),
        .dryRun,
    ] + common,
    example: "qconvert to-hf tinyllama.qnf -o tinyllama-bnb4", run: toHF)

private let plainFloat8 = Option.flag("plain-float8", help: "float8 weights without scales are plain numbers")

private let toSafetensorsCommand = Command(
    "to-safetensors", summary: "write one dense safetensors file",
    arguments: [Argument("model", help: sourceHelp)],
    options: [
        .output.required(),
        .choice("dtype", denseTypes, default: "keep", help: "type of floats"),
        plainFloat8,
        .dryRun,
    ] + common,
    example: "qconvert to-safetensors tinyllama.qnf -o tinyllama.safetensors --dtype bf16", run: toSafetensors)

private let adapterArgument = Argument("adapter", help: "LoRA adapter: PEFT folder or .lora file")

private let toPEFTCommand = Command(
    "to-peft", summary: "write a LoRA adapter as a folder that PEFT loads",
    discussion: """
        adapter_config.json and adapter_model.safetensors. What a .lora file knows besides rides along in the metadata of the latter, so that \
        to-lora gives back the same bytes.
        """,
    arguments: [adapterArgument], options: [.output.required(), .force, .json],
    example: "qconvert to-peft my.lora -o my-adapter", run: toPEFT)

private let toLoRACommand = Command(
    "to-lora", summary: "write a LoRA adapter as one .lora file",
    discussion: """
        A safetensors file with PEFT's names and the configuration in its metadata. Tensors keep their type and every bit; each gets a checksum.
        """,
    arguments: [adapterArgument], options: [.output.required(), .force, .json],
    example: "qconvert to-lora my-adapter -o my.lora", run: toLoRA)
