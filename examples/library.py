"""The library in ten lines: what a model is made of, what a training run of it needs, where it fits.

python examples/library.py
"""

import anatomy

MODEL = "meta-llama/Llama-3.2-1B"
GIB = 2**30

model = anatomy.show(MODEL)
print(f"{model.total:,} parameters, {model.by_component['embedding']:,} of them in the embedding")

plan = anatomy.plan(MODEL, method="lora", r=16, batch_size=2, seq_len=2048)
print(
    f"{plan.trainable_parameters:,} are trained; {plan.footprint.peak_allocated_bytes / GIB:.2f} GiB at most, {plan.peak_words}"
)
for category, size in plan.footprint.by_category.items():  # adds up to the peak, to the byte
    print(f"  {category.value:16} {size:>13,} bytes")

fit = plan.smallest_fit
if fit is not None:
    taken = fit.reserved_bytes + fit.context_bytes
    print(f"{fit.verdict} on {fit.gpu}: {taken / GIB:.2f} of {fit.memory_bytes / GIB:.2f} GiB")
