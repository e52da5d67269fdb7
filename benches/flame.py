"""A flame graph as SVG, from stacks with their counts. No script in it: titles show what does not fit."""

import collections
import html
import pathlib

WIDTH, ROW, TEXT = 1600, 17, 6.6
# Narrower boxes, in pixels, are left out.
NARROWEST = 0.5
COLOURS = ("#f2a65a", "#eec170", "#e8985e", "#f4b47a", "#d98c5f")


def tree(stacks):
    """Nested counts: each node is its own weight and its children by name. Stacks run from the root to the leaf."""
    root = node()
    for stack, count in stacks.items():
        at = root
        at["count"] += count
        for name in stack:
            at = at["children"][name]
            at["count"] += count
    return root


def node():
    return {"count": 0, "children": collections.defaultdict(node)}


def boxes(at, left, depth, scale):
    """Each visible box: name, left edge, depth, width, count."""
    for name, child in sorted(at["children"].items()):
        width = child["count"] * scale
        if width >= NARROWEST:
            yield name, left, depth, width, child["count"]
            yield from boxes(child, left, depth + 1, scale)
        left += width


def box(found, height, total):
    """One box with its name, shortened to its width; the whole name and the share as its title."""
    name, left, depth, width, count = found
    top = height - (depth + 1) * ROW
    fits = int(width / TEXT)
    shown = name if len(name) <= fits else name[: fits - 1] + "\N{HORIZONTAL ELLIPSIS}" if fits > 3 else ""
    colour = COLOURS[sum(name.encode()) % len(COLOURS)]
    title = html.escape(f"{name}: {count / total:.2%}")
    return (
        f'<g><title>{title}</title><rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW - 1}" fill="{colour}"/>'
        f'<text x="{left + 3:.1f}" y="{top + 12}">{html.escape(shown)}</text></g>'
    )


def write(path, heading, stacks):
    """Draws the stacks, the roots at the bottom."""
    root = tree(stacks)
    total = max(root["count"], 1)
    found = list(boxes(root, 0.0, 0, WIDTH / total))
    height = (max((it[2] for it in found), default=0) + 3) * ROW
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fffdf8"/><text x="6" y="13">{html.escape(heading)}</text>',
        *(box(it, height, total) for it in found),
        "</svg>",
    ]
    pathlib.Path(path).write_text("\n".join(lines) + "\n")
