"""Every documented command line is one that `nas-edge` takes: parsed by click itself, not run."""

import re
import shlex

import pytest
from command_tree import COMMANDS, options_of
from markdown_pages import SHELL

from nas_edge.cli.main import main

# What may stand before a command: variables, and the cores that it is bound to.
PREFIX = re.compile(r"^(?:[A-Z_]+=\S+ +|taskset -c \S+ +)*(?=nas-edge(?: |$))")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
OF_OTHER_PROGRAMS = {"--break-system-packages", "--pid", "--shm-size", "--system-site-packages"}


ALL_OPTIONS = {"--help"}.union(options_of(main), *map(options_of, COMMANDS.values()))


def find_command(words):
    """Return the command that words call, and how many of them name it."""
    for count in range(1, len(words) + 1):
        if tuple(words[:count]) in COMMANDS:
            return COMMANDS[tuple(words[:count])]
    return None


def command_lines(page):
    """Yield the words and the comment of each command in a page's code blocks."""
    for block in page.code_blocks(*SHELL):
        for line in block.text.replace("\\\n", " ").splitlines():
            start = PREFIX.match(line)
            if start is None:
                continue
            words = shlex.split(line[start.end() :], comments=True)
            end = words.index("|") if "|" in words else len(words)  # what follows reads its output
            yield words[1:end], line.partition(" #")[2]


@pytest.fixture
def complaint(monkeypatch, capsys):
    """Return a function that has click parse words, does nothing, and tells what click prints."""
    for command in COMMANDS.values():
        monkeypatch.setattr(command, "callback", lambda **_: None)

    def parse(words):
        code = main.main(list(words), prog_name="nas-edge", standalone_mode=False)
        printed = capsys.readouterr().err
        assert bool(code) == bool(printed)
        return printed

    return parse


def test_every_command_line_parses(pages, complaint):
    found = [(name, words) for name, page in pages.items() for words, _ in command_lines(page)]
    assert len(found) > 50
    wrong = []
    for name, words in found:
        said = complaint(words)
        if said:
            wrong.append(f"{name}: nas-edge {' '.join(words)}: {said}")
    assert wrong == []


def test_options_in_a_comment_are_of_the_command_beside_it(pages):
    wrong = [
        f"{name}: nas-edge {' '.join(words)}: {option}"
        for name, page in pages.items()
        for words, comment in command_lines(page)
        for option in OPTION.findall(comment)
        if option not in options_of(find_command(words))
    ]
    assert wrong == []


def test_commands_within_the_text_are_there_with_their_options(pages):
    wrong = []
    for name, page in pages.items():
        for code in page.inline_code():
            if not code.startswith("nas-edge "):
                continue
            words = [word for word in code.split()[1:] if word != "..."]
            command = find_command(words)
            groups = {path[0] for path in COMMANDS}
            is_there = command is not None or words[0] in groups or words[0].startswith("-")
            known = options_of(command or main) | {"--help"}
            unknown = [one for one in OPTION.findall(code) if one not in known]
            if unknown or not (is_there or words[0].isupper()):
                wrong.append(f"{name}: {code}")
    assert wrong == []


def test_options_within_the_text_are_of_some_command(pages):
    wrong = [
        f"{name}: {code}"
        for name, page in pages.items()
        for code in page.inline_code()
        if code.startswith("--")
        for option in OPTION.findall(code)
        if option not in ALL_OPTIONS | OF_OTHER_PROGRAMS
    ]
    assert wrong == []


def test_every_command_has_an_example(pages):
    shown = {
        tuple(words[: len(path)])
        for page in pages.values()
        for words, _ in command_lines(page)
        for path in COMMANDS
        if tuple(words[: len(path)]) == path
    }
    assert set(COMMANDS) - shown == set()


def test_a_wrong_option_is_found(complaint):
    assert "--no-such-option" in complaint(["run", "demo", "--no-such-option"])
    assert "no-such-task" in complaint(["reproduce", "--task", "no-such-task"])
