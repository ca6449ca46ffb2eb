#!/usr/bin/python3
"""A sketch pad: draw with the mouse, choose a colour, type a caption. Saving writes sketch.svg to the job's results."""

from __future__ import annotations

import os
import tkinter as tk
from html import escape
from pathlib import Path
from tkinter import ttk

COLORS = {"Ink": "#1f2a3c", "Blue": "#206bc4", "Green": "#2fb344", "Orange": "#d65a18", "Red": "#d63939"}
WIDTH, HEIGHT, THICK = 760, 440, 3
Stroke = tuple[str, list[tuple[int, int]]]


def svg(strokes: list[Stroke], caption: str) -> str:
    """The drawing as a picture that any browser shows."""
    lines = "".join(
        f'<polyline fill="none" stroke="{color}" stroke-width="{THICK}" stroke-linecap="round" stroke-linejoin="round" '
        f'points="{" ".join(f"{x},{y}" for x, y in points)}"/>\n'
        for color, points in strokes
    )
    words = f'<text x="{WIDTH / 2}" y="{HEIGHT - 16}" font-family="sans-serif" font-size="18" text-anchor="middle">{escape(caption)}</text>\n'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n{lines}{words if caption else ""}</svg>\n'
    )


class Pad(tk.Tk):
    """The window."""

    def __init__(self, results: Path) -> None:
        super().__init__()
        self.title("Sketch pad")
        ttk.Style(self).theme_use("clam")
        self.results, self.strokes = results, list[Stroke]()
        self.color = tk.StringVar(value=COLORS["Blue"])
        self.caption = tk.StringVar(value="")
        self.said = tk.StringVar(value="Draw with the mouse.")
        self.canvas = tk.Canvas(
            self, width=WIDTH, height=HEIGHT, background="#ffffff", cursor="pencil", highlightthickness=0
        )
        self.canvas.grid(row=1, column=0, sticky="nsew")
        self.grid_rowconfigure(1, weight=1)
        self.grid_columnconfigure(0, weight=1)
        self._tools().grid(row=0, column=0, sticky="ew")
        ttk.Label(self, textvariable=self.said, padding=6).grid(row=2, column=0, sticky="ew")
        self.canvas.bind("<Button-1>", self._begin)
        self.canvas.bind("<B1-Motion>", self._draw)

    def _tools(self) -> ttk.Frame:
        tools = ttk.Frame(self, padding=6)
        for name, value in COLORS.items():
            ttk.Radiobutton(tools, text=name, value=value, variable=self.color).pack(side="left", padx=(0, 8))
        ttk.Button(tools, text="Save", command=self._save).pack(side="right")
        ttk.Button(tools, text="Clear", command=self._clear).pack(side="right", padx=6)
        entry = ttk.Entry(tools, textvariable=self.caption, width=26)
        entry.pack(side="right", padx=6)
        entry.bind("<Control-a>", self._select_all)
        entry.focus_set()
        ttk.Label(tools, text="Caption").pack(side="right")
        return tools

    def _select_all(self, event: tk.Event[ttk.Entry]) -> str:
        event.widget.select_range(0, "end")
        return "break"  # without it the cursor would go to the beginning, as it does by default

    def _begin(self, event: tk.Event[tk.Canvas]) -> None:
        self.strokes.append((self.color.get(), [(event.x, event.y)]))

    def _draw(self, event: tk.Event[tk.Canvas]) -> None:
        if not self.strokes:
            return
        color, points = self.strokes[-1]
        self.canvas.create_line(*points[-1], event.x, event.y, fill=color, width=THICK, capstyle="round")
        points.append((event.x, event.y))

    def _clear(self) -> None:
        self.strokes.clear()
        self.canvas.delete("all")

    def _save(self) -> None:
        path = self.results / "sketch.svg"
        path.write_text(svg(self.strokes, self.caption.get()), encoding="utf-8")
        self.said.set(f"Saved {path}.")
        print(f"Saved {path.name}: {len(self.strokes)} lines, {self.caption.get()!r}.", flush=True)


if __name__ == "__main__":
    Pad(Path(os.environ.get("RESULTS_DIR") or "/results")).mainloop()
