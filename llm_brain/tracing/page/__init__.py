"""A run's spans as one page that opens anywhere: no server, no network, a single HTML file.

    read_spans -> columns   what the tree, the totals, the filters and the curves need of every span: numbers, interned names
               -> records   all the rest, prompts and replies included, in compressed pieces that the page opens when it must
               -> writing   template.html, style.css and app/*.js around them

Everything from a span is data in the page, compressed and in base64, and the script puts it on the screen as text.
"""

from llm_brain.tracing.page.writing import write_page

__all__ = ["write_page"]
