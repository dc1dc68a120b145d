"""What one would take in plot's place, each at its best: the statistics of a log by DuckDB, polars and pandas, from the columns that they need.
bench/plot_peers.py NAME LOG EDGES prints one JSON object. Called by bench/plot.py; EDGES are those of the histogram, as a JSON array."""
import json, os, pathlib, re, sys, time

QUANTILES = [0.5, 0.95, 0.99]
# What is imported is not timed. Each gives a function that reads the log: n, mean, RMSE, bias, quantiles, maximum, counts of the bins.


def duckdb():
    import duckdb

    connection = duckdb.connect(config={"threads": os.cpu_count()})
    query = """
        SELECT count(*), avg(e), sqrt(avg(e * e)), avg(p - t), quantile_cont(e, $quantiles), max(e), histogram(e, $edges)
        FROM (SELECT y_true AS t, y_pred AS p, absolute_error AS e FROM read_csv($log, auto_detect = false, header = true, delim = ',', quote = '"',
            columns = {id: 'VARCHAR', y_true: 'DOUBLE', y_pred: 'DOUBLE', absolute_error: 'DOUBLE', logged_at: 'DOUBLE'}))"""

    def read(log, edges):
        parameters = {"log": log, "quantiles": QUANTILES, "edges": edges}
        n, mean, rmse, bias, quantiles, maximum, counts = connection.execute(query, parameters).fetchone()
        # The first counts what lies below all edges.
        return n, mean, rmse, bias, quantiles, maximum, list(counts.values())[1 : len(edges)]

    return read


def polars():
    import polars as pl

    t, p, e = map(pl.col, ["y_true", "y_pred", "absolute_error"])
    schema = {"id": pl.String, "y_true": pl.Float64, "y_pred": pl.Float64, "absolute_error": pl.Float64, "logged_at": pl.Float64}

    def read(log, edges):
        rows = pl.scan_csv(log, schema=schema).select(t, p, e).collect(engine="streaming")
        sums = [pl.len(), e.mean().alias("mean"), (e * e).mean().sqrt().alias("rmse"), (p - t).mean().alias("bias"), e.max().alias("maximum")]
        n, mean, rmse, bias, maximum = rows.select(sums).row(0)
        # Sorted once: that is faster than three quantiles and a histogram of what is not.
        ascending = rows["absolute_error"].sort()
        places = ascending.search_sorted(pl.Series(edges), "left").to_list()
        counts = [after - before for before, after in zip(places, places[1:])]
        return n, mean, rmse, bias, [ascending.quantile(share, "linear") for share in QUANTILES], maximum, counts

    return read


def pandas():
    import pandas as pd

    columns = ["y_true", "y_pred", "absolute_error"]

    def read(log, edges):
        rows = pd.read_csv(log, usecols=columns, dtype=float)
        e = rows["absolute_error"]
        counts = pd.cut(e, edges, right=False).value_counts(sort=False)
        bias = (rows["y_pred"] - rows["y_true"]).mean()
        return len(e), e.mean(), (e * e).mean() ** 0.5, bias, e.quantile(QUANTILES).tolist(), e.max(), counts.tolist()

    return read


def peak_mb():
    return int(re.search(r"VmHWM:\s+(\d+)", pathlib.Path("/proc/self/status").read_text())[1]) * 1024 / 1e6


name, log, edges = sys.argv[1:]
read, edges = {"DuckDB": duckdb, "polars": polars, "pandas": pandas}[name](), json.loads(edges)
started = time.perf_counter()
answers = read(log, edges)
print(json.dumps({"seconds": time.perf_counter() - started, "peak_mb": peak_mb(), "answers": answers}))
