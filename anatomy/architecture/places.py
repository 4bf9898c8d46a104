"""The order of a model's modules and tensors: a module, its own parameters, then what is in it."""

from anatomy.architecture.tree import ModuleNode

Natural = tuple[tuple[bool, int, str], ...]


def natural(path: str) -> Natural:
    """A key that sorts dotted paths by their segments, numbers by their size: 'h.2' before 'h.10'."""
    return tuple(
        (False, int(segment), "") if segment.isdecimal() else (True, 0, segment)
        for segment in path.split(".")
    )


class Places:
    """Where each module and tensor stands in a model. What only its checkpoint has stands at the end of what is around it."""

    def __init__(self, tree: ModuleNode) -> None:
        self._start: dict[str, int] = {}
        self._end: dict[str, int] = {}
        self._enter(tree)
        for places in (
            self._start,
            self._end,
        ):  # checkpoints of a base model lack the name of what is around it
            for path, place in list(places.items()):
                places.setdefault(path.partition(".")[2], place)

    def of(self, path: str) -> tuple[int, bool, Natural]:
        """A key that sorts paths, of modules and of tensors, into the model's order."""
        if path in self._start:
            return self._start[path], False, ()
        around = path
        while around:
            around = around.rpartition(".")[0]
            if around in self._end:
                break
        return self._end[around], True, natural(path)

    def _enter(self, node: ModuleNode) -> None:
        self._start[node.path] = len(self._start)
        for own in node.own:
            self._start[f"{node.path}.{own.name}".lstrip(".")] = len(self._start)
        for child in node.children:
            self._enter(child)
        self._end[node.path] = len(self._start) - 1
