"""The figures of a run as a table, and as a chart for people who only look."""

import json
import os
import sys

from measuring import figure, judge, median


def file_system(folder):
    """The kind of the file system that holds a folder."""
    path, best = os.path.realpath(folder), ("", "unknown")
    if not os.path.exists("/proc/mounts"):
        return best[1]
    for line in open("/proc/mounts"):
        _, place, kind, *_ = line.split()
        if (path + "/").startswith(place.rstrip("/") + "/") and len(place) > len(best[0]):
            best = (place, kind)
    return best[1]


def print_table(result):
    print("\n\n## Against what is aimed at\n")
    print(", ".join(f"{name}: {value}" for name, value in result["machine"].items()) + f"; {result['runs']} runs\n")
    print("| what | result (least–greatest of the runs) | aim | |")
    print("|---|---|---|---|")
    for entry in result["rows"]:
        for target in entry["targets"]:
            found, met = judge(entry, target)
            name = f"{target['of']} / {target['to']}" if target["to"] else target["of"]
            unit = "" if target["to"] else f" {entry['unit']}"
            print(
                f"| {entry['what']}: {name} | {found[0]:.3g}{unit} ({found[1]:.3g}–{found[2]:.3g}) "
                f"| at {target['at']} {target['limit']}{unit} | {'✓' if met else '✗'} |")


def chart(result, row, title, subtitle):
    """Bars of one measurement's contenders, as SVG."""
    bars = [(name, median(values), min(values), max(values)) for name, values in row]
    width, label, bar, gap, top = 760, 260, 22, 10, 64
    height = top + len(bars) * (bar + gap) + 16
    most = max(greatest for *_, greatest in bars)
    scale = (width - label - 100) / most
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="16" y="24" font-size="16" font-weight="bold" fill="#1a1a1a">{escaped(title)}</text>',
        f'<text x="16" y="44" fill="#555555">{escaped(subtitle)}</text>',
    ]
    for index, (name, middle, least, greatest) in enumerate(bars):
        y = top + index * (bar + gap)
        colour = "#1f6f5c" if name.startswith("Leat") else "#b9c4c1"
        lines += [
            f'<text x="{label - 8}" y="{y + 15}" text-anchor="end" fill="#1a1a1a">{escaped(name)}</text>',
            f'<rect x="{label}" y="{y}" width="{middle * scale:.1f}" height="{bar}" fill="{colour}"/>',
            f'<line x1="{label + least * scale:.1f}" x2="{label + greatest * scale:.1f}" y1="{y + bar / 2}" '
            f'y2="{y + bar / 2}" stroke="#1a1a1a"/>',
            f'<text x="{label + max(middle, greatest) * scale + 8:.1f}" y="{y + 15}" fill="#1a1a1a">'
            f'{figure(middle, "items/s")}</text>',
        ]
    return "\n".join(lines + ["</svg>", ""])


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def main():
    """report.py JSON SVG: the chart of the README."""
    source, target = sys.argv[1:]
    with open(source) as file:
        result = json.load(file)
    row = next(row for row in result["rows"] if row["part"] == "pipeline" and "FULL" in row["what"])
    shown = [
        ("Leat, batches of 1,000, synced", "Leat, batches of 1,000"), ("Leat, batches of 100, synced", "Leat, batches of 100"),
        ("C on the same tables, 1,000", "C, batches of 1,000"),
        ("Python's Queue, in memory", "Python, in memory, one by one"),
    ]
    machine = result["machine"]
    svg = chart(
        result, [(name, row["values"][key]) for name, key in shown], "Items a second through three processes",
        f"put → transform → consume, 200 bytes each; {machine['processors']} cores, {machine['file system']}, "
        f"medians of {result['runs']} runs")
    with open(target, "w") as file:
        file.write(svg)


if __name__ == "__main__":
    main()
