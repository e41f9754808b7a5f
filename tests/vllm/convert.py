"""SmolLM2 as vLLM reads it: `VLLM_PYTHON tests/vllm/convert.py FILE.gguf FOLDER`, once.

Run by the interpreter of vLLM's own environment. A GGUF file cannot be served on a CPU directly (its kernels
want a GPU), so its weights are unpacked to bfloat16 safetensors, with the tokenizer and the chat template.
"""

import sys
from pathlib import Path


def main() -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils.quantization_config import GgufConfig

    source, target = Path(sys.argv[1]), Path(sys.argv[2])
    if (target / "model.safetensors").exists():
        return
    folder, name = str(source.parent), source.name
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(
        folder,
        gguf_file=name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(gguf_file=name, dequantize=True),
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.hf_quantizer = None  # it is plain bfloat16 now; with the quantizer it could not be saved
    making = target.with_name(f"{target.name}.part")
    model.save_pretrained(making)
    tokenizer.save_pretrained(making)
    making.rename(target)  # whole or not there


if __name__ == "__main__":
    main()
