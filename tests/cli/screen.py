"""A terminal small enough to read: what is on the screen after a program wrote to it.

It knows what rich writes: text, new lines, moves up, erased lines, a cleared screen, styles and the
cursor; anything else is an error.
"""

import re

TOKEN = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]")


class Screen:
    """``scrolled`` holds what left at the top, ``styles`` every style that was set."""

    def __init__(self, width, height):
        self.width, self.height = width, height
        self.rows = [""] * height
        self.scrolled = []
        self.styles = []
        self.row = self.column = 0
        self.has_cursor = True

    def feed(self, text):
        place = 0
        while place < len(text):
            token = TOKEN.match(text, place)
            assert token, f"what is {text[place : place + 12]!r}?"
            self._take(token)
            place = token.end()
        return self

    def resize(self, width, height):
        """As xterm does it: lines are cut and not wrapped anew."""
        while self.row >= height:
            self.scrolled.append(self.rows.pop(0))
            self.row -= 1
        rows = [row[:width] for row in self.rows[:height]]
        self.rows = rows + [""] * (height - len(rows))
        self.width, self.height = width, height
        self.column = min(self.column, width - 1)

    @property
    def text(self):
        return "\n".join(row.rstrip() for row in self.rows).rstrip("\n")

    @property
    def everything(self):
        return "\n".join([*(row.rstrip() for row in self.scrolled), self.text])

    def _take(self, token):
        letter = token.group(2)
        if letter is None:
            self._write(token.group())
            return
        argument = token.group(1)
        if letter == "m":
            self.styles.append(argument)
        elif argument == "?25":
            self.has_cursor = letter == "h"
        elif letter == "A":
            self.row = max(self.row - int(argument or 1), 0)
        elif (argument, letter) == ("2", "K"):
            self.rows[self.row] = ""
        elif (argument, letter) == ("2", "J"):
            self.rows = [""] * self.height
        elif letter == "H" and not argument:
            self.row = self.column = 0
        else:
            raise AssertionError(f"what is {token.group()!r}?")

    def _write(self, character):
        if character == "\r":
            self.column = 0
        elif character == "\n":  # the terminal's driver adds the carriage return
            self.column = 0
            self._down()
        else:
            if self.column == self.width:
                self.column = 0
                self._down()
            row = self.rows[self.row].ljust(self.column)
            self.rows[self.row] = row[: self.column] + character + row[self.column + 1 :]
            self.column += 1

    def _down(self):
        if self.row == self.height - 1:
            self.scrolled.append(self.rows.pop(0))
            self.rows.append("")
        else:
            self.row += 1
