"""Trains a model with TRL on files that autosafe wrote. Written by autosafe.

python3 train.py config.json
"""

import json
import sys

import torch
from datasets import load_dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig, TrainerCallback


class Log(TrainerCallback):
    """A line of JSON for each step that is logged."""

    def __init__(self, path):
        self.path = path

    def on_log(self, args, state, control, logs=None, **kwargs):
        line = {"current_steps": state.global_step, "total_steps": state.max_steps}
        for name in ("loss", "eval_loss", "epoch"):
            if name in (logs or {}):
                line[name] = float(logs[name])
        if state.is_world_process_zero and ("loss" in line or "eval_loss" in line):
            with open(self.path, "a", encoding="utf-8") as f:
                f.write(json.dumps(line) + "\n")


def trainer_of(method):
    if method == "sft":
        from trl import SFTConfig, SFTTrainer
        return SFTConfig, SFTTrainer
    if method == "dpo":
        from trl import DPOConfig, DPOTrainer
        return DPOConfig, DPOTrainer
    from trl import KTOConfig, KTOTrainer
    return KTOConfig, KTOTrainer


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        job = json.load(f)
    files = {"train": job["train"]}
    if job["validation"]:
        files["validation"] = job["validation"]
    data = load_dataset(job["format"], data_files=files)

    accelerated = torch.cuda.is_available()
    options = {"dtype": torch.bfloat16 if accelerated and torch.cuda.is_bf16_supported() else torch.float32}
    if job["bits"] == 4:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=options["dtype"])
    elif job["bits"] == 8:
        options["quantization_config"] = BitsAndBytesConfig(load_in_8bit=True)
    tokenizer = AutoTokenizer.from_pretrained(job["model"])
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    model = AutoModelForCausalLM.from_pretrained(job["model"], **options)

    peft = None
    if job["lora"]:
        from peft import LoraConfig
        peft = LoraConfig(**job["lora"])
    config_class, trainer_class = trainer_of(job["method"])
    trainer = trainer_class(
        model=model,
        args=config_class(**job["arguments"]),
        train_dataset=data["train"],
        eval_dataset=data.get("validation"),
        processing_class=tokenizer,
        peft_config=peft,
        callbacks=[Log(job["log"])],
    )
    trainer.train(resume_from_checkpoint=job["resume_from_checkpoint"])
    trainer.save_model()
    tokenizer.save_pretrained(job["arguments"]["output_dir"])


main()
