"""The memory plan of a training loop written by hand, and what the loop took. Runs anywhere, in seconds.

python examples/watch_loop.py
"""

import torch
from transformers import LlamaConfig, LlamaForCausalLM

import anatomy

torch.manual_seed(0)
device = "cuda" if torch.cuda.is_available() else "cpu"
model = LlamaForCausalLM(
    LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
    )
).to(device)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

with anatomy.watch(model, optimizer) as w:
    for _ in range(4):
        ids = torch.randint(0, 512, (4, 128), device=device)
        outputs = model(input_ids=ids, labels=ids)  # the first one is held until the plan is made
        outputs.loss.backward()
        optimizer.step()
        optimizer.zero_grad()

print(w)
