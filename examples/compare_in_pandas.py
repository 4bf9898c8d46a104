"""A comparison as a pandas frame: pivoted, grouped, and of each method the smallest run that fits the card.

python examples/compare_in_pandas.py
"""

import anatomy

CARD = "RTX 3060 12GB"
GIB = 2**30

comparison = anatomy.compare(
    "meta-llama/Llama-3.2-1B",
    methods=["full", "lora", "qlora"],
    optimizers=["adamw_torch_fused", "paged_adamw_8bit"],
    precisions=["bf16"],
    gpu=CARD,
    seq_len=2048,
)
runs = comparison.to_frame()  # a row for each run; sizes are integers of bytes

print("GiB on the device")
sizes = runs.pivot(index="method", columns="optimizer", values="device_bytes")
print((sizes / GIB).round(2))

print("\nGiB in use at the peak, with the first optimizer")
parts = ["weights_bytes", "gradients_bytes", "optimizer_states_bytes", "activations_bytes"]
first = runs[runs["optimizer"] == "adamw_torch_fused"].set_index("method")
print((first[[*parts, "allocated_bytes"]] / GIB).round(2).T)

print(f"\nThe smallest run of each method that fits the {CARD}")
fitting = runs[runs["verdict"].str.startswith("fits")]
smallest = fitting.loc[fitting.groupby("method")["device_bytes"].idxmin()]
print(smallest[["method", "optimizer", "device_bytes", "headroom_bytes"]].to_string(index=False))
