"""Libraries older than those this project is written for, taught today's names, so that the same code rehearses them.

A published measurement is best predicted with the versions that were measured. `adapt` supplies what torch 2.4,
transformers 4.48 and bitsandbytes 0.43 lack of the interface that the other rooms use: each row says what is missing
and how to tell, by looking for it. It adds no knowledge about memory. With the versions that the project requires,
nothing is missing and nothing is changed.
"""

from anatomy.older.attention import switch_to_flash
from anatomy.older.supply import adapt

__all__ = ["adapt", "switch_to_flash"]
