"""vim's keys, for tables whose cursor is a row and for what is scrolled."""

from textual.binding import Binding, BindingType

PAGE_KEYS: tuple[BindingType, ...] = (
    Binding("ctrl+d", "page_down", "Page down", show=False),
    Binding("ctrl+u", "page_up", "Page up", show=False),
)
ROW_KEYS: tuple[BindingType, ...] = (
    Binding("j", "cursor_down", "Down", show=False),
    Binding("k", "cursor_up", "Up", show=False),
    Binding("h", "scroll_left", "Left", show=False),
    Binding("l", "scroll_right", "Right", show=False),
    Binding("g,home", "scroll_top", "First", show=False),
    Binding("G,end", "scroll_bottom", "Last", show=False),
    *PAGE_KEYS,
)
SCROLL_KEYS: tuple[BindingType, ...] = (
    Binding("j", "scroll_down", "Down", show=False),
    Binding("k", "scroll_up", "Up", show=False),
    Binding("g", "scroll_home", "Top", show=False),
    Binding("G", "scroll_end", "Bottom", show=False),
    *PAGE_KEYS,
)
