"""Keys in turn: what one key does is done before the next one goes to whoever has the keys by then.

In textual a key rises from the focused widget to the app, which finds out what it is bound to; keys that were typed
meanwhile are on their way already, to a widget that has the focus no more. Typed in one burst, `/q` would quit.
"""

from collections import deque
from typing import Any

from textual import events
from textual.app import App
from textual.message import Message
from textual.timer import Timer

PATIENCE = 0.25
"""Seconds after which the next key goes on whatever became of the one before: its widget may be gone."""


class KeyDone(Message):
    """Rises behind a key, through the same widgets: where it arrives, the key has been dealt with."""


class KeysInTurn(App[None]):
    """Holds keys back until the one before is dealt with."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._typed: deque[events.Key] = deque()
        self._in_hand: Timer | None = None
        """While a key is being dealt with."""

    async def on_event(self, event: events.Event) -> None:
        """Keys from the terminal wait their turn; everything else is textual's."""
        if not isinstance(event, events.Key) or event.is_forwarded:
            await super().on_event(event)
            return
        self._typed.append(event)
        if self._in_hand is None:
            await self._next_key()

    async def _next_key(self) -> None:
        if self._in_hand is not None:
            self._in_hand.stop()
            self._in_hand = None
        if self._typed:
            self._in_hand = self.set_timer(PATIENCE, self._next_key)
            to = self.focused or self.screen
            await super().on_event(self._typed.popleft())
            to.post_message(KeyDone())

    def on_key_done(self) -> None:
        """Go on, behind what the key has put off, such as moving the focus."""
        self.call_later(self._next_key)
