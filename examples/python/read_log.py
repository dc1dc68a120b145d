"""Prints the errors of a metric_log.csv: of all rows, of the last 1,000 and of the worst groups. With TASK=classes a mean is the
error rate."""
import argparse, io, signal, threading
import numpy, pandas

stopping = threading.Event()


def read(path):
    """The rows of a log, as CONTRACT.md specifies them: a line counts once it has ended; one that is no row is skipped."""
    with open(path, "rb") as file:
        lines = file.read().split(b"\n")[:-1]
    text = b"\n".join(line for line in lines if line.count(b'"') % 2 == 0 and b"\0" not in line)
    log = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8-sig", errors="replace", newline="")
    rows = pandas.read_csv(log, dtype=str, keep_default_na=False, on_bad_lines="skip", index_col=False)
    rows["absolute_error"] = pandas.to_numeric(rows["absolute_error"], errors="coerce")
    return rows[numpy.isfinite(rows["absolute_error"])]


def summary(errors):
    values = [len(errors), errors.mean(), errors.sem(), errors.median(), errors.quantile(0.9)]
    return pandas.Series(values, ["rows", "mean", "standard error", "median", "90 %"])


def report(rows):
    error = rows["absolute_error"]
    table = {"all": summary(error), "last 1000": summary(error.tail(1000))}
    if "group" in rows:
        # An apostrophe keeps a spreadsheet from taking it for a formula.
        groups = rows["group"].str.removeprefix("'")
        means = error.groupby(groups).mean().drop("", errors="ignore").sort_values(ascending=False)
        table |= {f"group {group}": summary(error[groups == group]) for group in means.index[:10]}
    return pandas.DataFrame(table).T.astype({"rows": int}).to_string(float_format="%.6g")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("file")
parser.add_argument("--every", type=float, help="seconds after which to print again, until Ctrl-C or SIGTERM")
arguments = parser.parse_args()
signal.signal(signal.SIGTERM, lambda *_: stopping.set())
signal.signal(signal.SIGINT, lambda *_: stopping.set())
print(report(read(arguments.file)), flush=True)
while arguments.every and not stopping.wait(arguments.every):
    print(report(read(arguments.file)), flush=True)
