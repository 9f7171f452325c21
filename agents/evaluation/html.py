"""One self-contained HTML page: opens from disk, sends no request, runs no script.

Owns the style, light or dark by the system's setting, and the escaping: every function takes plain
text unless its argument is `Html`. Knows nothing of the content.
"""

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any, NewType

from lm_envs.rendering import printable

Html = NewType("Html", str)
"""Markup that is inserted unescaped."""

NO_BREAK = "\u00a0"
"""A blank at which no line ends."""

# Content security policy: text of a model can then load nothing and run nothing, even unescaped.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2028; --dim: #5b6270; --paper: #ffffff;
  --card: #f4f5f8; --line: #d8dbe3; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e6ec; --dim: #a0a7b5; --paper: #16181d; --card: #20232a; --line: #383d48; } }
* { box-sizing: border-box; }
body { max-width: 68rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; color: var(--ink);
  background: var(--paper); font: 1rem/1.55 system-ui, sans-serif; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.75rem 0 .6rem; }
p, li { max-width: 72ch; overflow-wrap: anywhere; }
.dim, small { color: var(--dim); font-weight: normal; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
caption { caption-side: bottom; text-align: left; color: var(--dim); font-size: .875rem;
  padding-top: .5rem; }
th, td { padding: .4rem .9rem .4rem 0; text-align: right; vertical-align: top;
  border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; }
thead th { color: var(--dim); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 600; }
td small { display: block; white-space: nowrap; }
img { display: block; max-width: 100%; height: auto; background: #fff; border-radius: 6px; }
figure { margin: 1rem 0; }
figcaption { color: var(--dim); font-size: .875rem; padding-top: .4rem; }
.cards { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fill, minmax(19rem, 1fr)); }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: .6rem .8rem; overflow-wrap: anywhere; }
.card header { color: var(--dim); font-size: .875rem; font-weight: 600; margin-bottom: .2rem; }
.text { white-space: pre-wrap; }
pre { background: var(--card); padding: .8rem 1rem; border-radius: 6px; overflow-x: auto;
  font-size: .875rem; line-height: 1.4; }
summary { cursor: pointer; color: var(--dim); }
"""


def page(title: str, parts: Iterable[Html]) -> str:
    """Returns the document: the title as heading, then `parts`."""
    name, body = _escaped(title), "\n".join(parts)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{name}</title>\n<style>{_STYLE}</style>\n</head>\n"
        f"<body>\n<h1>{name}</h1>\n{body}\n</body>\n</html>\n"
    )


def heading(text: str, level: int = 2) -> Html:
    """Returns a heading of level 2 or 3."""
    return Html(f"<h{level}>{_escaped(text)}</h{level}>")


def paragraph(text: str) -> Html:
    """Returns one paragraph, in which no line begins with a percent sign."""
    return Html(f"<p>{_escaped(text.replace(' %', NO_BREAK + '%'))}</p>")


def table(header: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> Html:
    """Returns a table; the first column holds row headings, text after a line break is small."""
    names = "".join(f'<th scope="col">{_cell(name)}</th>' for name in header)
    body = "".join(
        f'<tr><th scope="row">{_cell(row[0])}</th>'
        + "".join(f"<td>{_cell(cell)}</td>" for cell in row[1:])
        + "</tr>\n"
        for row in rows
    )
    note = f"<caption>{_escaped(caption)}</caption>" if caption else ""
    inner = f"{note}<thead><tr>{names}</tr></thead>\n<tbody>\n{body}</tbody>"
    return Html(f'<div class="scroll"><table>{inner}</table></div>')


def picture(png: bytes, caption: str) -> Html:
    """Returns an embedded PNG with its caption, which is also the alternative text."""
    source = base64.b64encode(png).decode("ascii")
    text = _escaped(caption)
    image = f'<img alt="{text}" src="data:image/png;base64,{source}">'
    return Html(f"<figure>{image}<figcaption>{text}</figcaption></figure>")


def cards(contents: Iterable[tuple[str, Html]]) -> Html:
    """Returns boxes with headings in a grid, as many per row as the width allows."""
    boxes = (
        f'<section class="card"><header>{_escaped(name)}</header>'
        f'<div class="text" dir="auto">{content}</div></section>'
        for name, content in contents
    )
    return Html(f'<div class="cards">{"".join(boxes)}</div>')


def plain(text: str) -> Html:
    """Returns the text, escaped."""
    return Html(_escaped(text))


def folded(summary: str, values: Mapping[str, Any]) -> Html:
    """Returns values as JSON in a collapsed section."""
    text = _escaped(json.dumps(values, ensure_ascii=False, indent=2))
    return Html(f"<details><summary>{_escaped(summary)}</summary><pre>{text}</pre></details>")


def _escaped(text: str) -> str:
    """Returns text without control and bidirectional characters, and without markup."""
    return escape(printable(text, keep_lines=True))


def _cell(text: str) -> str:
    first, line_break, rest = text.partition("\n")
    return _escaped(first) + (f"<small>{_escaped(rest)}</small>" if line_break else "")
