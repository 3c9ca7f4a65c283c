/// What a model may be, as the help of every tool says it.
package let modelHelp =
    "model: .qnf, .gguf, .safetensors or its index, a PyTorch file, or a folder of Hugging Face, MLX, Mistral, Meta or TensorFlow; dense, or packed "
    + "by bitsandbytes, GPTQ, AWQ, FP8 and others"
