"""What somebody plants who wants a page to run it, or to look like something else."""

from typing import Final

PLANTED: Final = (
    "<script>window.planted = 'script'</script>",
    '"><img src=x onerror="window.planted = \'image\'">',
    "</script><script>window.planted = 'closed'</script>",
    "<!--<script>window.planted = 'comment'</script>",
    "javascript:window.planted='address'",
    "<svg onload=\"window.planted = 'drawing'\"><style>body { display: none }</style>",
    "<iframe srcdoc=\"<script>parent.planted = 'frame'</script>\"></iframe>",
    "'};window.planted='quoted';//",
    "${window.planted = 'template'}",
    "{{ records }}{{ script }}",
    "one\u2028two\u2029three",
    "\x1b[31mred\x1b[0m \x00\x07 \r",
    "user\u202etxt.exe\u2066",
    "lone \ud800 and \udfff",
    "__proto__",
    "constructor",
    "]]>&lt;b&gt;&amp;",
    "x" * 5_000,
    "",
)
