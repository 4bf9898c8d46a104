"""The memory plan of a Trainer's run, before its first step and beside what was measured. Runs anywhere, in seconds.

python examples/trainer_callback.py
"""

import tempfile

import torch
from transformers import LlamaConfig, LlamaForCausalLM, Trainer, TrainingArguments
from transformers.trainer_callback import PrinterCallback

from anatomy.integrations import MemoryCallback

torch.manual_seed(0)
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
)
rows = [{"input_ids": ids, "labels": ids} for ids in torch.randint(0, 512, (64, 128))]

memory = MemoryCallback()
with tempfile.TemporaryDirectory() as folder:
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            folder,
            max_steps=4,
            per_device_train_batch_size=4,
            logging_steps=1,
            report_to=[],
            save_strategy="no",
        ),
        train_dataset=rows,
        callbacks=[memory],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()

for entry in trainer.state.log_history:  # what every logger of `report_to` was given
    for name, value in entry.items():
        if name.startswith("memory/"):
            print(f"step {entry['step']}: {name} = {value:,}")
print()
print(memory)
