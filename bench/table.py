"""The table: what was measured, against which bar, with the interval of its median; where it was measured; and the file of results."""
import datetime, math, os, pathlib, platform, re, statistics, subprocess
from dataclasses import dataclass

RESULTS = pathlib.Path(__file__).parent / "results.md"
SECTIONS = ["## make bench", "## make bench-full", "## make bench-plot"]


def interval(values):
    """Of the median, with a confidence of 95 % at least: the k-th value from below and from above, with the largest k for which fewer than
    k of n tosses of a coin are heads in 2.5 % of all cases at most. None below 6 values."""
    values, n, rank = sorted(values), len(values), 0
    fewer = 1 / 2**n
    while fewer <= 0.025:
        rank += 1
        fewer += math.comb(n, rank) / 2**n
    return (values[rank - 1], values[n - rank]) if rank else None


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def spread(values):
    """The interval, or, of too few values, all that they span."""
    low, high = interval(values) or (min(values), max(values))
    return f"{number(low)} to {number(high)} ({len(values)})"


@dataclass
class Row:
    what: str
    unit: str
    values: list
    """None: told for information."""
    bar: float | None
    at_least: bool
    bound_by: str

    def verdict(self):
        """A bar within the interval holds, as another series may put the median on its other side. Without an interval the median decides."""
        if self.bar is None:
            return ""
        ends = interval(self.values) or [statistics.median(self.values)]
        met = [end >= self.bar if self.at_least else end <= self.bar for end in ends]
        return "yes" if all(met) else "within its interval" if any(met) else "**no**"

    def cells(self):
        bar = "" if self.bar is None else f"{'≥' if self.at_least else '≤'} {self.bar:g}{self.unit}"
        return [self.what, bar, number(statistics.median(self.values)) + self.unit, spread(self.values), self.verdict(), self.bound_by]


HEAD = ["What", "Bar", "Median", "Its interval (runs)", "Holds", "Bounded by"]


def machine(binary, **versions):
    """Where it is measured, and with which versions of what is compared."""
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text())[1]) / (1 << 20)
    rust = subprocess.run(["rustc", "--version"], capture_output=True, text=True, check=True).stdout.split()[1]
    versions = {"Linux": platform.release(), "Rust": rust, "Python": platform.python_version()} | versions
    return (
        f"{os.cpu_count()} cores ({cpu[1] if cpu else platform.machine()}), {memory:.0f} GiB, "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + f", {pathlib.Path(binary).parent.name} binaries, load at the start {os.getloadavg()[0]:.1f}"
    )


def markdown(rows):
    lines = [HEAD, ["---"] * len(HEAD), *(row.cells() for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def text(rows):
    lines = [HEAD[:5], *(row.cells()[:5] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(5)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)) for line in lines)


def written():
    """The sections of the file of results, by title."""
    return dict(re.findall(r"(?ms)^(## .+?)\n(.*?)(?=^## |\Z)", RESULTS.read_text() if RESULTS.exists() else ""))


NOTE = """Runs alternate, and a ratio is one of two runs of a round. The interval is that of the median, with 95 % confidence: of 7 runs the least and the
most, of 9 the second from both ends (of less than 6, what they span). A bar that lies within it holds."""


def write(title, settings, where, rows):
    """Replaces a section; the others stay."""
    section = f"\n`{title[3:]} {settings}`, {datetime.date.today()}: {where}.\n\n{markdown(rows)}\n\n"
    sections = written() | {title: section}
    RESULTS.write_text(f"# What the bench measured\n\n{NOTE}\n\n" + "".join(f"{title}\n{sections[title]}" for title in SECTIONS if title in sections))
