"""The table: what was measured, against which bar, with its spread; and where it was measured."""
import os, pathlib, platform, re, statistics, subprocess
from dataclasses import dataclass


@dataclass
class Row:
    what: str
    unit: str
    values: list
    """None: told for information."""
    bar: float | None
    at_least: bool
    bound_by: str

    def cells(self):
        median = statistics.median(self.values)
        bar = "" if self.bar is None else f"{'≥' if self.at_least else '≤'} {self.bar:g}{self.unit}"
        holds = "" if self.bar is None else "yes" if (median >= self.bar if self.at_least else median <= self.bar) else "**no**"
        number = lambda value: f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
        spread = f"{number(min(self.values))} to {number(max(self.values))} ({len(self.values)})"
        return [self.what, bar, number(median) + self.unit, spread, holds, self.bound_by]


HEAD = ["What", "Bar", "Median", "Least to most (runs)", "Holds", "Bounded by"]


def machine(binaries, url):
    import pika

    connection = pika.BlockingConnection(pika.URLParameters(url))
    broker = connection._impl.server_properties["version"]
    connection.close()
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / (1 << 20)
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    return (
        f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}), {memory:.0f} GiB, Linux {platform.release()}, RabbitMQ {broker}, "
        f"Rust {rust}, Python {platform.python_version()}, pika {pika.__version__}, {binaries.name} binaries, load at the start {os.getloadavg()[0]:.1f}"
    )


def markdown(rows):
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text(rows):
    lines = [HEAD[:5], *(row.cells()[:5] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in lines)
