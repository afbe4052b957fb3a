"""How commands are found in pages, and how they are run; without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.integration.docs.documented import Command, blocks, cut
from tests.integration.docs.session import run

PAGE = """Text.

```sh
one   # a comment
# only a comment

two \\
  --option
record() {
  three "$1"
}
```

- a list:

  ```bash
  for x in a; do
    four
  done
  ```

```yaml
kind: Simulation
```
"""


def test_blocks_have_their_language_line_and_text_without_indentation() -> None:
    assert [(each.language, each.line) for each in blocks(PAGE)] == [("sh", 4), ("bash", 17), ("yaml", 23)]
    assert blocks(PAGE)[1].text == "for x in a; do\n  four\ndone\n"


def test_a_block_is_cut_where_bash_would_run_a_command() -> None:
    assert list(cut(blocks(PAGE)[0].text)) == [
        (0, "one   # a comment"),
        (3, "two \\\n  --option"),
        (5, 'record() {\n  three "$1"\n}'),
    ]


def test_a_block_that_ends_within_a_command_is_an_error() -> None:
    with pytest.raises(SyntaxError, match="not a complete command"):
        list(cut('echo "text\n'))


def test_commands_share_a_shell_and_each_has_its_exit_code_and_output(tmp_path: Path) -> None:
    texts = ["greet() { echo hello $1 $NAME; }", "greet dear", "false", "echo more >&2"]
    ran = run([Command("page", line, text) for line, text in enumerate(texts)], {"NAME": "reader"}, tmp_path)
    assert [(each.code, each.output) for each in ran] == [(0, ""), (0, "hello dear reader"), (1, ""), (0, "more")]


def test_a_shell_that_ends_early_has_run_fewer_commands(tmp_path: Path) -> None:
    ran = run([Command("page", 1, "exit 3"), Command("page", 2, "true")], {}, tmp_path)
    assert ran == []
