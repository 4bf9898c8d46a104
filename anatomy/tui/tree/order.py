"""An outline in another order than the model's."""

from anatomy.tui.tree.outline import Outline


def by_falling_size(outline: Outline) -> list[int]:
    """All items, parents first, siblings by falling size."""
    order: list[int] = []

    def arrange(item: int) -> None:
        order.append(item)
        if outline.is_group(item):
            arrange_group(item)
            return
        for child in sorted(outline.children(item), key=lambda child: -outline.total(child)):
            arrange(child)

    def arrange_group(group: int) -> None:
        start, stride = len(order), outline.stride(group)
        arrange(group + 1)
        first = order[start:]
        for k in range(1, outline.times[group]):
            order.extend([item + k * stride for item in first])

    if len(outline):
        arrange(0)
    return order
