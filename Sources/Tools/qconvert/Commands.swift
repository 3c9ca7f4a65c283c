import CalibrationSupport
package import CommandLineKit
import ToolSupport

/// The tool: conversions between model formats.
package let qconvert = Tool(
    "qconvert", summary: "convert models to 4-bit .qnf files and back", version: toolVersion,
    commands: [
        toNF4Command, toHFCommand, toSafetensorsCommand, toGGUFCommand, toMLXCommand, joinCommand, toPEFTCommand, toLoRACommand,
        toGGUFLoRACommand, toMLXAdapterCommand,
    ])

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

        With --calibrate TEXT the codes are not the nearest ones but those with which the layers' outputs on that text come out best: the file is \
        as large and read as before, and its divergence from the model about 0.4 of the usual one. TEXT is a file of the kinds of text that \
        the model is for, or of training records, which its template writes, or 'default', a mixed text that is part of this tool. It takes a run of the model, layer by layer, and several \
        times that for the weights.

        With --distill constants and norms are tuned besides, in one pass over the same tokens forth and back through the model, until it predicts what the \
        unquantized one does as well as it can: the more tokens, the more that gains. It takes some five times as long as reading the tokens, a night for \
        a 7B model on two cores; stopped by a signal, the same command goes on where it was.

        With --imatrix FILE (GGUF, or the older .dat) scales are searched for by how large each input is, and codes are the nearest ones: nothing is \
        run, and divergence is about 0.6 of the usual one.

        With --budget BITS those weights of linear layers stay in 16 bits whose quantization would move the model's predictions most for their \
        size, until a weight takes so many bits at the mean. What each of them does is measured in one pass forth and back; rules of --keep \
        come first.
        """,
    arguments: [Argument("source", help: modelHelp)],
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
        .calibrate(use: "to choose codes by"),
        .calibrationTokens(CalibrationText.defaultTokenLimit),
        .flag("distill", help: "then tune constants and norms to predict what the model does"),
        .path("imatrix", "FILE", help: "search for scales by what llama-imatrix saw, instead"),
        .path("write-imatrix", "FILE", help: "write what the layers saw for llama.cpp's quantizers"),
        .number("budget", "BITS", in: 1...32, help: "mean bits of a weight: some stay in 16 bits"),
        .path("sensitivity", "FILE", help: "keep there what --budget measures, and reuse it"),
        .path("checkpoints", "FOLDER", help: "keep finished layers there, and go on from them"),
        .flag("match-transformers", help: "keep experts and others dense as transformers does"),
        .choice("dtype", denseTypes, default: "keep", help: "type of floats that are not quantized"),
        .flag("allow-nonfinite", help: "quantize NaN and infinities (with --no-double-quant)"),
        plainFloat8,
        .part,
        .resume,
        .dryRun,
    ] + common,
    example: "qconvert to-nf4 TinyLlama-1.1B -o tinyllama.qnf", run: toNF4)

private let toHFCommand = Command(
    "to-hf", summary: "write a folder that Hugging Face transformers loads",
    discussion: """
        A 4-bit model becomes a pre-quantized folder (bitsandbytes 4-bit), or with --dequantize a dense one. \
        A dense model, such as a GPT-2 TensorFlow checkpoint, becomes a dense folder.
        """,
    arguments: [Argument("model", help: modelHelp)],
    options: [
        .output.required(),
        .flag("dequantize", help: "write dense weights"),
        .choice("dtype", denseTypes, default: "keep", help: "type of dense floats"),
        .byteCount("max-shard-size", default: 5_000_000_000, defaultText: "5GB", help: "data bytes in one file"),
        allowNonfinite,
        .part,
        .resume,
        .dryRun,
    ] + common,
    example: "qconvert to-hf tinyllama.qnf -o tinyllama-bnb4", run: toHF)

private let allowNonfinite = Option.flag("allow-nonfinite", help: "write NaN and infinities of decoded blocks")

private let plainFloat8 = Option.flag("plain-float8", help: "float8 weights without scales are plain numbers")

private let toSafetensorsCommand = Command(
    "to-safetensors", summary: "write one dense safetensors file",
    arguments: [Argument("model", help: modelHelp)],
    options: [
        .output.required(),
        .choice("dtype", denseTypes, default: "keep", help: "type of floats"),
        plainFloat8,
        allowNonfinite,
        .part,
        .resume,
        .dryRun,
    ] + common,
    example: "qconvert to-safetensors tinyllama.qnf -o tinyllama.safetensors --dtype bf16", run: toSafetensors)

private let toGGUFCommand = Command(
    "to-gguf", summary: "write a GGUF file for llama.cpp, Ollama and LM Studio",
    discussion: """
        Names, order and keys are those of llama.cpp's converter, types and blocks those of its llama-quantize, bit for bit, with --imatrix FILE \
        as with its importance matrix. Small tensors stay f32; of the quantized kinds the output head, or the embedding where it is the head, is Q6_K, and _S and _M \
        give some layers more bits. Rows that are no multiple of a block get the next type that fits.

          type                bits/weight  error, of normally distributed weights
          f32, f16, bf16      32, 16, 16   rounded once
          q8_0                        8.5  0.5 %
          q6_k                        6.6  1.8 %
          q5_k_m, q5_k_s, q5_1, q5_0  5.5  3.6 %
          q4_k_m, q4_k_s, iq4_nl      4.5  7 %
          iq4_xs                      4.3  8 %
          q4_1, q4_0                4.5-5  8-9 %

        A model that is 4-bit already loses on top; its weights from before, written straight, lose least.
        """,
    arguments: [Argument("model", help: modelHelp)],
    options: [
        .output.required(),
        .choice(
            "type",
            [
                "f32", "f16", "bf16", "q8_0", "q6_k", "q5_k", "q5_k_m", "q5_k_s", "q5_1", "q5_0", "q4_k", "q4_k_m", "q4_k_s", "q4_1",
                "q4_0", "iq4_nl", "iq4_xs",
            ], placeholder: "TYPE", default: "q8_0", help: "type of the matrices, or mixture; q4_k and q5_k are the _m"),
        .path("imatrix", "FILE", help: "what llama-imatrix saw: errors count by it"),
        .flag("pure", help: "one type for all matrices, head and embedding too"),
        .text("name", "NAME", help: "name of the model in the file (default: that of the source)"),
        .byteCount("max-shard-size", help: "bytes of one file; a longer model becomes a folder of parts"),
        .part,
        .resume,
        .dryRun,
    ] + common,
    example: "qconvert to-gguf tinyllama.qnf -o tinyllama.gguf --type q4_k_m", run: toGGUF)

private let toMLXCommand = Command(
    "to-mlx", summary: "write a folder that MLX loads",
    discussion: """
        Dense, or with --bits as codes with a scale and a bias for each group, the bits that mlx's own quantizer gives on a CPU. \
        Linear layers, embeddings and the output head become codes where their rows are whole groups. The folder loads in mlx-lm \
        for families whose tensors are called there as in transformers: Llama, Mistral, Qwen and their like.
        """,
    arguments: [Argument("model", help: modelHelp)],
    options: [
        .output.required(),
        .choice("bits", ["4", "8"], placeholder: "N", defaultText: "dense", help: "bits of a code"),
        .choice("group-size", ["32", "64", "128"], placeholder: "N", defaultText: "64", help: "codes that share scale and bias"),
        .choice("dtype", denseTypes, default: "keep", help: "type of floats, scales and biases"),
        .byteCount("max-shard-size", default: 5_000_000_000, defaultText: "5GB", help: "data bytes in one file"),
        .dryRun,
    ] + common,
    example: "qconvert to-mlx TinyLlama-1.1B -o tinyllama-mlx --bits 4", run: toMLX)

private let adapterArgument = Argument("adapter", help: "LoRA adapter: folder of PEFT or MLX, .lora file or GGUF file")
private let adapterBase = Option.path("base", "MODEL", help: "its base, of which a GGUF adapter needs the width of heads")

private let toPEFTCommand = Command(
    "to-peft", summary: "write a LoRA adapter as a folder that PEFT loads",
    discussion: """
        adapter_config.json and adapter_model.safetensors. What a .lora file knows besides rides along in the metadata of the latter, so that \
        to-lora gives back the same bytes.
        """,
    arguments: [adapterArgument], options: [.output.required(), adapterBase, .force, .json],
    example: "qconvert to-peft my.lora -o my-adapter", run: toPEFT)

private let toLoRACommand = Command(
    "to-lora", summary: "write a LoRA adapter as one .lora file",
    discussion: """
        A safetensors file with PEFT's names and the configuration in its metadata. Tensors keep their type and every bit; each gets a checksum.
        """,
    arguments: [adapterArgument], options: [.output.required(), adapterBase, .force, .json],
    example: "qconvert to-lora my-adapter -o my.lora", run: toLoRA)

private let toGGUFLoRACommand = Command(
    "to-gguf-lora", summary: "write a LoRA adapter as a GGUF file for llama.cpp",
    discussion: """
        For programs that put adapters on a GGUF model of the same base ('llama-cli --lora'). Names and the order of rows are those of the base, and \
        the scale of each module is in its factors, so that rsLoRA and patterns of ranks and alphas are followed. DoRA, biases and \
        modules_to_save have no place in such a file: merge these.
        """,
    arguments: [
        adapterArgument, Argument("base", help: "the model that it was trained on, in any form with a config.json, or a GGUF file"),
    ], options: [.output.required(), .force, .json],
    example: "qconvert to-gguf-lora my.lora TinyLlama-1.1B -o my.gguf", run: toGGUFLoRA)

private let toMLXAdapterCommand = Command(
    "to-mlx-adapter", summary: "write a LoRA adapter as a folder that mlx-lm loads",
    discussion: """
        adapters.safetensors and adapter_config.json, for 'mlx_lm.generate --adapter-path'. mlx-lm knows one rank and one scale: where modules \
        differ, their factors hold the difference, and compute the same. DoRA stays DoRA; embeddings, biases and modules_to_save have no place \
        there: merge these.
        """,
    arguments: [adapterArgument], options: [.output.required(), adapterBase, .force, .json],
    example: "qconvert to-mlx-adapter my.lora -o my-mlx-adapter", run: toMLXAdapter)
