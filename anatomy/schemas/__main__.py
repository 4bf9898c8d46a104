"""`python -m anatomy.schemas` writes the published schemas anew."""

import json
from pathlib import Path

from anatomy.schemas.build import SCHEMAS

if __name__ == "__main__":
    for name, make in SCHEMAS.items():
        text = json.dumps(make(), indent=1) + "\n"
        Path(__file__).with_name(f"{name}.json").write_text(text, encoding="ascii")
