"""Loops over tokens: real at both ends, stood for between.

A recurrence in Python is tens of thousands of operators a layer, and every turn is like the one before it. So of a loop's n
turns the first HEAD and the last TAIL are made for real, forward and backward; between them one node of autograd's holds
blocks of the sizes that n - HEAD - TAIL turns keep, gives them back in backward, and takes nothing else. The rest of the
model runs at its own length, untouched: nothing is extrapolated from shorter sequences.

Why no peak is lost: where turns write down the same events, what is allocated at any place of a turn changes by the same
number of bytes from each turn to the next, hence is highest in the first or in the last of them, and those are real. That
they are alike is checked whenever a loop is run, on the turns at both ends, event by event: see `_alike`.
"""

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, NamedTuple
from unittest.mock import patch

import torch

from anatomy.errors import RehearsalError
from anatomy.rehearsal.flops import Key
from anatomy.rehearsal.loops import lstm
from anatomy.rehearsal.loops.saved import is_saved
from anatomy.rehearsal.loops.skipped import SkippedOutputs, SkippedStates, apart, unseen
from anatomy.rehearsal.loops.table import TOKEN_LOOPS, TokenLoop

if TYPE_CHECKING:
    from anatomy.rehearsal.ledger import Ledger
    from anatomy.rehearsal.recorder import Recorder

HEAD, TAIL = 4, 5
"""Turns that are made: as many that two at each end can be compared in backward, too. The very first starts from a state
that needs no gradient, the first two in backward make the gradients to which the others add, and where backward comes to
a turn by its state, the last turn before the skipped ones ends after them."""
SHORT = 64
"""Loops of at most so many turns are made in full."""


@contextmanager
def stood_for(recorder: "Recorder", ledger: "Ledger", said: dict[str, None]) -> Iterator[None]:
    """While active, long loops of TOKEN_LOOPS make only their ends; `said` gets a sentence about each."""
    anchor = torch.empty(0, device="meta", requires_grad=True)

    def turns(*args: int) -> Any:
        frame = sys._getframe(1)
        loop = TOKEN_LOOPS.get(frame.f_code.co_name)
        if loop is None or len(args) != 1:
            return range(*args)
        said[_sentence(loop, args[0])] = None
        if args[0] <= SHORT:
            return range(args[0])
        return _Turns(args[0], loop, frame, recorder, ledger, anchor).run()

    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith("transformers.models.") and ".modeling_" in name:
                stack.enter_context(patch.object(module, "range", turns, create=True))
        stack.enter_context(patch.object(lstm, "range", turns, create=True))
        stack.enter_context(lstm.lstm_in_python(SHORT))
        yield


def _sentence(loop: TokenLoop, length: int) -> str:
    without = f", as without {loop.without}" if loop.without else ""
    said = f"{loop.name}: token by token in torch{without}"
    if length <= SHORT:
        return said
    return (
        f"{said}; of its {length:,} turns those from {HEAD + 1} to {length - TAIL:,} are stood for by the ones before and "
        "after them, which are alike"
    )


class _Moment(NamedTuple):
    """A place in the record."""

    length: int
    flops: Counter[Key]


class _Turns:
    """One run through one loop."""

    def __init__(
        self,
        length: int,
        loop: TokenLoop,
        frame: FrameType,
        recorder: "Recorder",
        ledger: "Ledger",
        anchor: torch.Tensor,
    ) -> None:
        self._length = length
        self._skipped = length - HEAD - TAIL
        self._loop = loop
        self._frame = frame
        self._recorder = recorder
        self._ledger = ledger
        self._anchor = anchor
        self._forward: list[_Moment] = []
        self._backward: list[_Moment] = []

    def run(self) -> Iterator[int]:
        """The numbers of the turns that are made."""
        try:
            yield from self._run()
        finally:
            del self._frame  # it holds the function's tensors

    def _run(self) -> Iterator[int]:
        for index in range(HEAD):
            yield from self._turn(index)
        self._forward.append(self._now())
        self._alike(self._forward, range(1, HEAD))
        self._repeat_flops(self._forward)
        self._skip()
        for index in range(self._length - TAIL, self._length):
            yield from self._turn(index)
        self._forward.append(self._now())
        self._alike(self._forward, (*range(1, HEAD), *range(HEAD + 1, HEAD + 1 + TAIL)))

    def _turn(self, index: int) -> Iterator[int]:
        self._forward.append(self._now())
        yield index
        node = self._link().grad_fn
        if node is not None:
            node.register_prehook(self._undo)

    def _undo(self, _gradients: Any = None) -> None:
        """Backward comes to a turn, the last that was made first; all that were skipped are one turn."""
        self._backward.append(self._now())
        if len(self._backward) == TAIL + 1:
            self._repeat_flops(self._backward)
        elif len(self._backward) == TAIL + 1 + HEAD:
            self._alike(self._backward, (*range(2, TAIL - 1), *range(TAIL + 1, TAIL + HEAD - 1)))

    def _skip(self) -> None:
        """What the skipped turns would have left, and the node that lets it go in backward."""
        kept = self._ledger.left(self._forward[1].length, self._forward[2].length)
        link = self._link()
        if self._loop.appends:
            self._append(link, kept)
        elif link.requires_grad:
            SkippedStates.apply(link, self._holding(kept), self._undo)
        elif kept:
            raise self._refusal("it keeps blocks that nothing gives back")

    def _append(self, one: torch.Tensor, kept: list[tuple[int, str]]) -> None:
        """Outputs of the skipped turns: blocks of their own, which go when the loop's function is left."""
        own = next((block for block in kept if block[0] == one.untyped_storage().nbytes()), None)
        if own is None:
            raise self._refusal("what a turn appends is no block of its own")
        outputs = unseen(self._skipped, *one.shape, dtype=one.dtype)
        local = self._local(self._loop.appends)
        if self._loop.may_save and is_saved(local[-2], by=(one, local[-2])):  # it outlives the list
            self._recorder.stand_for(outputs, [])
        else:
            kept.remove(own)
            self._recorder.stand_for(outputs, [own] * self._skipped)
        if one.requires_grad:
            local.extend(SkippedOutputs.apply(self._anchor, self._holding(kept), outputs, self._undo))
        elif kept:
            raise self._refusal("it keeps blocks that nothing gives back")
        else:
            local.extend(apart(outputs))

    def _holding(self, kept: list[tuple[int, str]]) -> torch.Tensor:
        holder = unseen(1)
        self._recorder.stand_for(holder, kept * self._skipped)
        return holder

    def _link(self) -> torch.Tensor:
        """What the last turn has appended or made."""
        found = self._local(self._loop.appends or self._loop.carries)
        link = found[-1] if isinstance(found, list) and self._loop.appends else found
        if not isinstance(link, torch.Tensor):
            raise self._refusal("its local variables are not those of known versions")
        return link

    def _local(self, name: str) -> Any:
        local = self._frame.f_locals
        found = local.get(name)
        if isinstance(local, dict):  # before Python 3.13 it is a copy, which would keep tensors alive
            local.clear()
        return found

    def _now(self) -> _Moment:
        return _Moment(self._ledger.length, self._recorder.flops.so_far())

    def _repeat_flops(self, moments: list[_Moment]) -> None:
        """The skipped turns cost what the last of `moments` did."""
        one, other = moments[-2:]
        self._recorder.flops.repeat(other.flops - one.flops, self._skipped)

    def _alike(self, moments: list[_Moment], turns: Iterable[int]) -> None:
        """Raises RehearsalError unless these turns have the same births and deaths, in the same order."""
        told = [self._ledger.told(moments[turn].length, moments[turn + 1].length) for turn in turns]
        if any(one != told[0] for one in told):
            raise self._refusal("its turns are not alike")

    def _refusal(self, why: str) -> RehearsalError:
        return RehearsalError(
            f"the loop over tokens of the {self._loop.name} cannot be rehearsed by its ends: {why}.",
            hint=f"--seq-len {SHORT} or less rehearses every turn",
        )
