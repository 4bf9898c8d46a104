"""An axolotl file, planned from Python: what became of each key, whether the run fits, the batch that would.

python examples/read_axolotl.py
"""

from pathlib import Path

import anatomy

CARD = "RTX 4090"

run = anatomy.read_config(Path(__file__).with_name("axolotl_qlora.yml"))
print(f"{run.trainer}: {run.model}, {run.recipe.method} of rank {run.recipe.r}")
for fate in ("used", "ignored", "not modelled", "not understood"):
    print(f"{fate}: {', '.join(key.name for key in run.of(fate)) or 'none'}")

for batch_size in range(run.recipe.batch_size, 0, -1):  # what is given here wins over the file
    plan = anatomy.plan(config=run, gpu=CARD, batch_size=batch_size)
    (fit,) = plan.fits
    print(
        f"batch size {batch_size}: {fit.verdict} on {CARD}, {plan.device_bytes:,} of {fit.memory_bytes:,} bytes"
    )
    if fit.fits:
        break
